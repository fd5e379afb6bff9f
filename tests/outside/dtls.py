# SPDX-License-Identifier: Apache-2.0
"""DTLS 1.2 with a pre-shared key by Debian's OpenSSL, without a line of C.

The server uses mbedTLS; so both ends of each session have nothing in common.
"""

import ctypes

_ssl = ctypes.CDLL("libssl.so.3")
_crypto = ctypes.CDLL("libcrypto.so.3")

_PSK_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_void_p, ctypes.c_char_p,
                                 ctypes.POINTER(ctypes.c_char), ctypes.c_uint,
                                 ctypes.POINTER(ctypes.c_ubyte), ctypes.c_uint)


def _declare(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments
    return function


_P, _I, _L = ctypes.c_void_p, ctypes.c_int, ctypes.c_long
_method = _declare(_ssl, "DTLS_client_method", _P)
_ctx_new = _declare(_ssl, "SSL_CTX_new", _P, _P)
_ctx_ctrl = _declare(_ssl, "SSL_CTX_ctrl", _L, _P, _I, _L, _P)
_ctx_ciphers = _declare(_ssl, "SSL_CTX_set_cipher_list", _I, _P, ctypes.c_char_p)
_ctx_psk = _declare(_ssl, "SSL_CTX_set_psk_client_callback", None, _P, _PSK_CALLBACK)
_new = _declare(_ssl, "SSL_new", _P, _P)
_free = _declare(_ssl, "SSL_free", None, _P)
_set_bio = _declare(_ssl, "SSL_set_bio", None, _P, _P, _P)
_set_connect = _declare(_ssl, "SSL_set_connect_state", None, _P)
_ctrl = _declare(_ssl, "SSL_ctrl", _L, _P, _I, _L, _P)
_handshake = _declare(_ssl, "SSL_do_handshake", _I, _P)
_read = _declare(_ssl, "SSL_read", _I, _P, _P, _I)
_write = _declare(_ssl, "SSL_write", _I, _P, _P, _I)
_shutdown = _declare(_ssl, "SSL_shutdown", _I, _P)
_error = _declare(_ssl, "SSL_get_error", _I, _P, _I)
_mem_method = _declare(_crypto, "BIO_s_mem", _P)
_bio_new = _declare(_crypto, "BIO_new", _P, _P)
_bio_read = _declare(_crypto, "BIO_read", _I, _P, _P, _I)
_bio_write = _declare(_crypto, "BIO_write", _I, _P, _P, _I)
_bio_ctrl = _declare(_crypto, "BIO_ctrl", _L, _P, _I, _L, _P)
_err_clear = _declare(_crypto, "ERR_clear_error", None)

_SET_MTU, _SET_MIN_PROTO, _HANDLE_TIMEOUT, _BIO_EOF_RETURN = 17, 123, 74, 130
_DTLS1_2 = 0xFEFD
_WANT_READ = 2
CIPHERS = (b"PSK-AES128-CCM8", b"PSK-AES128-CCM", b"PSK-AES128-GCM-SHA256",
           b"ECDHE-PSK-CHACHA20-POLY1305")

_keys = {}


def _psk(ssl, _hint, identity, identity_max, key, key_max):
    name, secret = _keys[ssl]
    if len(name) >= identity_max or len(secret) > key_max:
        return 0
    ctypes.memmove(identity, name + b"\0", len(name) + 1)
    ctypes.memmove(key, secret, len(secret))
    return len(secret)


_psk_kept = _PSK_CALLBACK(_psk)
_contexts = {}


def _context(cipher):
    if cipher not in _contexts:
        ctx = _ctx_new(_method())
        _ctx_ctrl(ctx, _SET_MIN_PROTO, _DTLS1_2, None)
        if _ctx_ciphers(ctx, cipher + b":@SECLEVEL=0") != 1:
            raise RuntimeError("OpenSSL has no %s" % cipher.decode())
        _ctx_psk(ctx, _psk_kept)
        _contexts[cipher] = ctx
    return _contexts[cipher]


class Dtls:
    """One client session over datagrams that the caller carries. fed() gives what arrived;
    datagrams to send are handed to the function `send`."""

    def __init__(self, identity, key, cipher, send):
        self._send = send
        self._ssl = _new(_context(cipher))
        _keys[self._ssl] = (identity.encode(), key)
        self._in, self._out = _bio_new(_mem_method()), _bio_new(_mem_method())
        for bio in (self._in, self._out):
            _bio_ctrl(bio, _BIO_EOF_RETURN, -1, None)
        _set_bio(self._ssl, self._in, self._out)
        _set_connect(self._ssl)
        _ctrl(self._ssl, 32, 0x1000, None)      # SSL_OP_NO_QUERY_MTU
        _ctrl(self._ssl, _SET_MTU, 1400, None)
        self._buffer = ctypes.create_string_buffer(65536)
        self.up = False
        self.failed = None

    def _flush(self):
        # A memory BIO joins datagrams; the record heads part them again.
        n = _bio_read(self._out, self._buffer, 65536)
        data = self._buffer.raw[:max(n, 0)]
        while data:
            length = 13 + int.from_bytes(data[11:13], "big")
            self._send(data[:length])
            data = data[length:]

    def _fail_unless_waiting(self, result):
        if _error(self._ssl, result) != _WANT_READ:
            self.failed = "DTLS error %d" % _error(self._ssl, result)

    def handshake(self):
        _err_clear()
        result = _handshake(self._ssl)
        if result == 1:
            self.up = True
        else:
            self._fail_unless_waiting(result)
        self._flush()

    def _alive(self):
        if not self._ssl:       # OpenSSL would not survive it
            raise RuntimeError("the session is closed")

    def tick(self):
        """Once in a while during the handshake: repeats a lost flight."""
        self._alive()
        _ctrl(self._ssl, _HANDLE_TIMEOUT, 0, None)
        self._flush()

    def fed(self, datagram):
        """Takes a datagram; returns the payloads of the records in it."""
        self._alive()
        _bio_write(self._in, datagram, len(datagram))
        out = []
        if not self.up:
            self.handshake()
            if not self.up:
                return out
        while True:
            _err_clear()
            n = _read(self._ssl, self._buffer, 65536)
            if n <= 0:
                self._fail_unless_waiting(n)
                break
            out.append(self._buffer.raw[:n])
        self._flush()
        return out

    def send(self, payload):
        self._alive()
        _err_clear()
        if _write(self._ssl, payload, len(payload)) <= 0:
            self.failed = "DTLS write"
        self._flush()

    def close(self, politely=True):
        if self._ssl:
            if politely and self.up and not self.failed:
                _shutdown(self._ssl)
                self._flush()
            _keys.pop(self._ssl, None)
            _free(self._ssl)
            self._ssl = None
