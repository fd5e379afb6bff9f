// SPDX-License-Identifier: Apache-2.0
//
// device PORT ID KEY IMAGE [SUITE [MTU [FIRST]]]: a device's life with pion's DTLS: report, download, the
// gate, a reboot, and the doorbell until it rings. Prints what it does, one word a line; what
// the server answers is judged by clients.bats and here. IMAGE gets what was downloaded. The
// second session, after the reboot, offers to resume the first one. FIRST: ms until a request is
// repeated.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/pion/dtls/v2"
)

const (
	get, post           = 1, 2
	con, non, ack, rst  = 0, 1, 2, 3
	optETag, optObserve = 4, 6
	optPath, optFormat  = 11, 12
	optAccept           = 17
	optBlock2           = 23
	formatJSON          = 50
	szx                 = 6
)

var suites = map[string]dtls.CipherSuiteID{
	"CCM-8": dtls.TLS_PSK_WITH_AES_128_CCM_8,
	"CCM":   dtls.TLS_PSK_WITH_AES_128_CCM,
	"GCM":   dtls.TLS_PSK_WITH_AES_128_GCM_SHA256,
}

// ---- messages ----

type option struct {
	number int
	value  []byte
}

type message struct {
	kind, code byte
	mid        uint16
	token      []byte
	options    []option
	payload    []byte
}

func (m *message) encode() []byte {
	out := []byte{0x40 | m.kind<<4 | byte(len(m.token)), m.code, byte(m.mid >> 8), byte(m.mid)}
	out = append(out, m.token...)
	last := 0
	for _, o := range m.options { // in order, and shorter than 269
		var more []byte
		nibble := func(n int) byte {
			if n < 13 {
				return byte(n)
			}
			more = append(more, byte(n-13))
			return 13
		}
		head := nibble(o.number-last)<<4 | nibble(len(o.value))
		out = append(append(append(out, head), more...), o.value...)
		last = o.number
	}
	if len(m.payload) > 0 {
		out = append(append(out, 0xff), m.payload...)
	}
	return out
}

func decode(raw []byte) (*message, error) {
	if len(raw) < 4 || len(raw) < 4+int(raw[0]&15) {
		return nil, errors.New("a short message")
	}
	m := &message{kind: raw[0] >> 4 & 3, code: raw[1], mid: binary.BigEndian.Uint16(raw[2:])}
	m.token = raw[4 : 4+int(raw[0]&15)]
	rest, number := raw[4+int(raw[0]&15):], 0
	for len(rest) > 0 && rest[0] != 0xff {
		parts := [2]int{int(rest[0] >> 4), int(rest[0] & 15)}
		rest = rest[1:]
		for i := range parts {
			switch parts[i] {
			case 13:
				parts[i], rest = 13+int(rest[0]), rest[1:]
			case 14:
				parts[i], rest = 269+int(binary.BigEndian.Uint16(rest)), rest[2:]
			}
		}
		number += parts[0]
		m.options = append(m.options, option{number, rest[:parts[1]]})
		rest = rest[parts[1]:]
	}
	if len(rest) > 0 {
		m.payload = rest[1:]
	}
	return m, nil
}

func (m *message) option(number int) ([]byte, bool) {
	for _, o := range m.options {
		if o.number == number {
			return o.value, true
		}
	}
	return nil, false
}

func number(value []byte) (n uint32) {
	for _, b := range value {
		n = n<<8 | uint32(b)
	}
	return n
}

func bytesOf(n uint32) []byte {
	raw := make([]byte, 4)
	binary.BigEndian.PutUint32(raw, n)
	return bytes.TrimLeft(raw, "\x00")
}

// ---- a session ----

type store map[string]dtls.Session

func (s store) Set(key []byte, session dtls.Session) error {
	s[string(key)] = session
	return nil
}
func (s store) Get(key []byte) (dtls.Session, error) { return s[string(key)], nil }
func (s store) Del(key []byte) error {
	delete(s, string(key))
	return nil
}

type device struct {
	address  *net.UDPAddr
	config   *dtls.Config
	conn     *dtls.Conn
	mid      uint16
	first    time.Duration
	heard    []string // payloads of notifications
	sessions int
}

func (d *device) connect() {
	if d.conn != nil {
		d.conn.Close()
		d.conn = nil
	}
	for try := 0; ; try++ {
		ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
		conn, err := dtls.DialWithContext(ctx, "udp", d.address, d.config)
		cancel()
		if err == nil {
			d.conn = conn
			d.sessions++
			return
		}
		fmt.Println("# handshake:", err)
		if try == 5 {
			fail(err)
		}
	}
}

func (d *device) receive(until time.Time) *message {
	buffer := make([]byte, 2048)
	if err := d.conn.SetReadDeadline(until); err != nil {
		fail(err)
	}
	n, err := d.conn.Read(buffer)
	if err != nil {
		time.Sleep(time.Until(until)) // closed, or it is over
		return nil
	}
	m, err := decode(buffer[:n])
	if err != nil {
		fail(err)
	}
	if m.code != 0 && m.kind == con {
		reply := message{kind: ack, mid: m.mid}
		_, _ = d.conn.Write(reply.encode())
	}
	if _, ok := m.option(optObserve); ok {
		d.heard = append(d.heard, string(m.payload))
	}
	return m
}

func (d *device) ask(code byte, path []string, more []option, payload []byte) *message {
	for try := 0; try < 8; try++ {
		d.mid++
		m := message{kind: con, code: code, mid: d.mid, token: []byte{byte(d.mid >> 8), byte(d.mid)}}
		for _, o := range more {
			if o.number < optPath {
				m.options = append(m.options, o)
			}
		}
		for _, p := range path {
			m.options = append(m.options, option{optPath, []byte(p)})
		}
		for _, o := range more {
			if o.number > optPath {
				m.options = append(m.options, o)
			}
		}
		m.payload = payload
		if answer := d.exchange(&m); answer != nil {
			return answer
		}
		fmt.Println("# again:", path)
		d.connect()
	}
	fail(fmt.Errorf("no answer to %v", path))
	return nil
}

func (d *device) exchange(m *message) *message {
	wait := d.first
	for try := 0; try < 5; try++ {
		if _, err := d.conn.Write(m.encode()); err != nil {
			return nil
		}
		until := time.Now().Add(wait)
		for time.Now().Before(until) {
			answer := d.receive(until)
			if answer == nil {
				break
			}
			if answer.code != 0 && bytes.Equal(answer.token, m.token) {
				return answer
			}
			if answer.kind == ack && answer.code == 0 && answer.mid == m.mid {
				until = time.Now().Add(30 * time.Second)
			}
		}
		wait *= 2
	}
	return nil
}

// ---- a life ----

func fail(err error) {
	fmt.Println("failed:", err)
	os.Exit(1)
}

func (d *device) send(path string, body map[string]interface{}) map[string]interface{} {
	text, err := json.Marshal(body)
	if err != nil {
		fail(err)
	}
	json50 := []byte{formatJSON}
	m := d.ask(post, []string{path}, []option{{optFormat, json50}, {optAccept, json50}}, text)
	if m.code != 2<<5|4 {
		fail(fmt.Errorf("%s: %#x %s", path, m.code, m.payload))
	}
	answer := map[string]interface{}{}
	if len(m.payload) > 0 {
		if err := json.Unmarshal(m.payload, &answer); err != nil {
			fail(err)
		}
	}
	return answer
}

func (d *device) download(path string) []byte {
	var image, tag []byte
	parts := bytes.Split([]byte(path[1:]), []byte("/"))
	for num := uint32(0); ; num++ {
		more := []option{{optBlock2, bytesOf(num<<4 | szx)}}
		m := d.ask(get, []string{string(parts[0]), string(parts[1])}, more, nil)
		if m.code != 2<<5|5 {
			fail(fmt.Errorf("block %d: %#x %s", num, m.code, m.payload))
		}
		etag, _ := m.option(optETag)
		if num > 0 && !bytes.Equal(etag, tag) {
			fail(errors.New("another image"))
		}
		value, _ := m.option(optBlock2)
		block := number(value)
		if block>>4 != num || block&7 != szx {
			fail(fmt.Errorf("block %d: got %#x", num, block))
		}
		image, tag = append(image, m.payload...), etag
		if block&8 == 0 {
			return image
		}
	}
}

func (d *device) doorbell() {
	first := ""
	for end := time.Now().Add(150 * time.Second); time.Now().Before(end); {
		m := d.ask(get, []string{"desired"}, []option{{optObserve, nil}, {optAccept, []byte{formatJSON}}}, nil)
		if _, ok := m.option(optObserve); !ok {
			fail(errors.New("not observed"))
		}
		if first == "" {
			first = string(m.payload)
			fmt.Println("observing")
		}
		for until := time.Now().Add(60 * time.Second); time.Now().Before(until); {
			for _, payload := range d.heard {
				if payload != first {
					fmt.Println("rung")
					return
				}
			}
			d.receive(until)
		}
	}
	fail(errors.New("the bell did not ring"))
}

func main() {
	boots := []string{"a1a1a1a1a1a1a1a1", "b2b2b2b2b2b2b2b2"}
	arg := func(i int, absent string) string {
		if len(os.Args) > i {
			return os.Args[i]
		}
		return absent
	}
	port, _ := strconv.Atoi(arg(1, "0"))
	mtu, _ := strconv.Atoi(arg(6, "0"))
	first, _ := strconv.Atoi(arg(7, "2000"))
	suite, known := suites[arg(5, "CCM-8")]
	if len(os.Args) < 5 || !known {
		fmt.Fprintln(os.Stderr, "usage: device PORT ID KEY IMAGE [SUITE [MTU [FIRST]]]")
		os.Exit(2)
	}
	d := &device{
		first:   time.Duration(first) * time.Millisecond,
		address: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port},
		config: &dtls.Config{
			PSK:             func([]byte) ([]byte, error) { return []byte(os.Args[3]), nil },
			PSKIdentityHint: []byte(os.Args[2]),
			CipherSuites:    []dtls.CipherSuiteID{suite},
			SessionStore:    store{},
			MTU:             mtu,
		},
	}
	d.connect()
	offer := d.send("report", map[string]interface{}{"0": boots[0], "2": "1.0.0", "12": "argon", "17": 7})
	if offer["0"] != 2.0 {
		fail(errors.New("no update is offered"))
	}
	fmt.Println("offered")
	if err := os.WriteFile(os.Args[4], d.download(offer["5"].(string)), 0o600); err != nil {
		fail(err)
	}
	fmt.Println("downloaded")
	status := func(state, seq int) {
		d.send("status", map[string]interface{}{"0": offer["1"], "1": state, "7": boots[0], "8": seq})
	}
	status(2, 1)
	status(3, 2)
	fmt.Println("applying")
	d.connect()
	d.send("report", map[string]interface{}{"0": boots[1], "2": "1.1.0", "12": "argon", "17": 7})
	fmt.Printf("attempt %.0f\n", offer["1"])
	d.doorbell()
	fmt.Println("sessions", d.sessions)
}
