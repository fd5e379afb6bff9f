# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Certificates for the tests: a CA, and what it signs, with openssl as the man page tells it.

# ca_new DIR [SUBJECT]: a CA of its own, in DIR/ca.pem and DIR/ca.key.
ca_new() {
	mkdir -p "$1"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
		-subj "${2:-/CN=Test CA}" -addext basicConstraints=critical,CA:TRUE \
		-addext keyUsage=critical,keyCertSign,cRLSign \
		-keyout "$1/ca.key" -out "$1/ca.pem" 2>"$1/openssl.log" || cat "$1/openssl.log" >&2
	ca_conf "$1"
}

# ca_conf DIR: what openssl needs to sign and to revoke with DIR/ca.pem.
ca_conf() {
	: >"$1/index.txt"
	echo 1000 >"$1/serial"
	echo 1000 >"$1/crlnumber"
	cat >"$1/ca.conf" <<-EOF
		[ca]
		default_ca = test
		[test]
		database = $1/index.txt
		serial = $1/serial
		crlnumber = $1/crlnumber
		new_certs_dir = $1
		certificate = $1/ca.pem
		private_key = $1/ca.key
		default_md = sha256
		policy = any
		unique_subject = no
		default_crl_days = 30
		copy_extensions = copy
		[any]
		commonName = optional
	EOF
}

# ca_between DIR NEW NAME: in NEW a CA that is signed by the one in DIR, as DIR/NAME.pem.
ca_between() {
	mkdir -p "$2"
	{
		openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$3" \
			-addext basicConstraints=critical,CA:TRUE \
			-addext keyUsage=critical,keyCertSign,cRLSign \
			-keyout "$2/ca.key" -out "$2/ca.csr" &&
			openssl ca -batch -notext -config "$1/ca.conf" -days 365 -in "$2/ca.csr" -out "$1/$3.pem"
	} 2>"$2/openssl.log" || cat "$2/openssl.log" >&2
	cp "$1/$3.pem" "$2/ca.pem"
	ca_conf "$2"
}

# ca_revoke DIR NAME: DIR/crl.pem lists DIR/NAME.pem, too.
ca_revoke() {
	openssl ca -config "$1/ca.conf" -revoke "$1/$2.pem" 2>/dev/null
	openssl ca -config "$1/ca.conf" -gencrl -out "$1/crl.pem" 2>/dev/null
}

# ca_sign DIR NAME USAGE [SUBJECT [SAN [OPTION...]]]: DIR/NAME.pem and .key; USAGE is serverAuth or
# clientAuth, SAN "" for none, OPTIONs are of openssl ca, as -startdate. KEY=rsa:2048 for RSA.
ca_sign() {
	local dir=$1 name=$2 usage=$3 subject=${4:-/CN=$2} san=${5-}
	shift $(($# < 5 ? $# : 5))
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:"${CURVE:-P-256}")
	[ -z "${KEY-}" ] || key=(-newkey "$KEY")
	{
		openssl req -new "${key[@]}" -nodes -subj "$subject" \
			-addext "extendedKeyUsage = $usage" ${san:+-addext "subjectAltName = $san"} \
			-keyout "$dir/$name.key" -out "$dir/$name.csr" &&
			openssl ca -batch -notext -config "$dir/ca.conf" -days 365 "$@" \
				-in "$dir/$name.csr" -out "$dir/$name.pem"
	} 2>"$dir/openssl.log" || cat "$dir/openssl.log" >&2
}

# certified_start ID VERSION [OPTION...]: like device_start, with the certificate $CA/ID.pem.
certified_start() {
	local id=$1 version=$2
	shift 2
	image "$version"
	"$POSTBOOT_DEVICE" --server "$SERVER_URI" --id "$id" --cert "$CA/$id.pem" \
		--key "$CA/$id.key" --ca "$CA/ca.pem" --state "$LAB/$id" --hardware argon \
		--version "$version" --image "$LAB/$version.bin" --interval 1 --boot-time 300 "$@" \
		>>"$LAB/$id.log" 2>&1 3>&- &
	# shellcheck disable=SC2034,SC2004
	DEVICE_PID[$id]=$!
}

certified_add() {
	ca_sign "$CA" "$1" clientAuth
	ctl device add "$1" --product argon --certificate >/dev/null
}

# lab_open_ca: a lab whose server has a certificate, and whose product argon has devices with
# certificates of the CA in $CA.
lab_open_ca() {
	lab_open
	CA=$LAB/ca
	ca_new "$CA"
	ca_sign "$CA" server serverAuth
	server_start "certificate = $CA/server.pem" "certificate-key = $CA/server.key"
	product_add
	ctl product ca argon "$CA/ca.pem" >/dev/null
}
