package kafkatest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is a process of Apache Kafka in KRaft mode: broker and controller in
// one, on loopback, with all its files in one folder.
type server struct {
	libs, dir, config string
	plain, sasl, tls  string // addresses
	process           *exec.Cmd
	stdin             io.WriteCloser // names of signals, one a line; its end is SIGKILL
	exited            chan struct{}
}

const properties = `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[3]s
listeners=PLAINTEXT://%[1]s,SASL://%[2]s,CONTROLLER://%[3]s,SSL://%[7]s
advertised.listeners=PLAINTEXT://%[1]s,SASL://%[2]s,SSL://%[7]s
listener.name.ssl.ssl.keystore.type=PEM
listener.name.ssl.ssl.keystore.certificate.chain=%[8]s
listener.name.ssl.ssl.keystore.key=%[9]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_%[5]s="%[6]s";
listener.name.sasl.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
log.dirs=%[4]s
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
auto.create.topics.enable=false
`

// newServer chooses ports and formats the data folder.
func newServer(libs, dir string) (*server, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	s := &server{libs: libs, dir: dir, config: filepath.Join(dir, "server.properties"), plain: ports[0], sasl: ports[1], tls: ports[3]}
	cert, key, err := certificate()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), cert, 0o600); err != nil {
		return nil, err
	}
	escape := func(pem []byte) string { return strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", `\n`) }
	text := fmt.Sprintf(properties, ports[0], ports[1], ports[2], filepath.Join(dir, "data"), PlainUser, Password, ports[3], escape(cert), escape(key))
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	args := []string{"kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", s.config}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, ScramUser, Password))
	}
	if out, err := s.java(args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("formatting its folder: %w\n%s", err, out)
	}
	return s, nil
}

// java returns a command that runs a class of Apache Kafka.
func (s *server) java(args ...string) *exec.Cmd {
	all := append([]string{
		"-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", filepath.Join(s.libs, "*"),
	}, args...)
	return exec.Command("java", all...)
}

// start starts the process and waits until it takes connections. It ends with
// this process: a shell beside it waits for the end of its input, which comes
// when this process has died in whatever way.
func (s *server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	inner := s.java("kafka.Kafka", s.config)
	const guard = `exec 3<&0; "$@" </dev/null 3<&- & pid=$!; (while read -r signal; do kill -"$signal" $pid; done; kill -9 $pid) <&3 & wait $pid; kill $! 2>/dev/null`
	s.process = exec.Command("sh", append([]string{"-c", guard, "sh"}, inner.Args...)...)
	s.process.Stdout, s.process.Stderr = log, log
	if s.stdin, err = s.process.StdinPipe(); err != nil {
		return err
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.process.Wait()
		close(s.exited)
	}()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		select {
		case <-s.exited:
			return fmt.Errorf("it ended at once:\n%s", s.logTail())
		case <-time.After(100 * time.Millisecond):
		}
		if conn, err := net.Dial("tcp", s.plain); err == nil {
			return conn.Close()
		}
	}
	s.kill()
	return errors.New("it takes no connections after two minutes:\n" + s.logTail())
}

// kill ends the process with SIGKILL and waits until it is gone.
func (s *server) kill() {
	if s.process == nil {
		return
	}
	_ = s.stdin.Close()
	<-s.exited
	s.gone()
}

// stopTime is how long a process may take to end after SIGTERM.
const stopTime = 20 * time.Second

// stop ends the process with SIGTERM, and with SIGKILL if it takes too long,
// and waits until it is gone.
func (s *server) stop() {
	if s.process == nil {
		return
	}
	_, _ = io.WriteString(s.stdin, "TERM\n") // an error says that it is gone already
	select {
	case <-s.exited:
		_ = s.stdin.Close()
		s.gone()
	case <-time.After(stopTime):
		s.kill()
	}
}

// gone waits until the port is free, after the process has ended.
func (s *server) gone() {
	s.process = nil
	for { // the port is free when the kernel has cleaned up
		conn, err := net.Dial("tcp", s.plain)
		if err != nil {
			return
		}
		_ = conn.Close()
		time.Sleep(10 * time.Millisecond)
	}
}

// logTail returns the end of what the process printed.
func (s *server) logTail() string {
	data, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// certificate makes a certificate for loopback that is its own authority.
func certificate() (cert, key []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafkatest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &private.PublicKey, private)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), nil
}

// freePorts returns n addresses of loopback that nobody listens at.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out, nil
}
