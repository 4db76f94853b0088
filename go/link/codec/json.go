package codec

import (
	"encoding/json"
	"io"
	"reflect"
	"sync"

	"fastway/link"
)

// JsonProtocol carries messages as JSON objects of a name and a body: {"Head":"…","Body":…}. Receive gives a pointer to the
// type that is registered under the name. A body with an unknown name is decoded as encoding/json decodes into an interface.
type JsonProtocol struct {
	mu    sync.RWMutex
	types map[string]reflect.Type
	names map[reflect.Type]string
}

// Json makes a protocol that knows no types yet.
func Json() *JsonProtocol {
	return &JsonProtocol{types: make(map[string]reflect.Type), names: make(map[reflect.Type]string)}
}

// Register makes a type known under its import path and name. Both ends need the same; use RegisterName where their packages
// differ. t is a value of the type or a pointer to one.
func (p *JsonProtocol) Register(t interface{}) {
	message := messageType(t)
	p.register(message.PkgPath()+"/"+message.Name(), message)
}

// RegisterName makes a type known under a name.
func (p *JsonProtocol) RegisterName(name string, t interface{}) { p.register(name, messageType(t)) }

func (p *JsonProtocol) register(name string, message reflect.Type) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.types[name], p.names[message] = message, name
}

func messageType(t interface{}) reflect.Type {
	message := reflect.TypeOf(t)
	if message != nil && message.Kind() == reflect.Pointer {
		return message.Elem()
	}
	return message
}

func (p *JsonProtocol) nameOf(msg interface{}) string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.names[messageType(msg)]
}

// newMessage gives a pointer to a new value of the type of that name; nil if there is none.
func (p *JsonProtocol) newMessage(name string) interface{} {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if message, known := p.types[name]; known {
		return reflect.New(message).Interface()
	}
	return nil
}

// NewCodec makes the codec of a connection. It closes rw where that is an io.Closer.
func (p *JsonProtocol) NewCodec(rw io.ReadWriter) (link.Codec, error) {
	return &jsonCodec{p, rw, json.NewEncoder(rw), json.NewDecoder(rw)}, nil
}

type jsonCodec struct {
	protocol *JsonProtocol
	rw       io.ReadWriter
	encoder  *json.Encoder
	decoder  *json.Decoder
}

func (c *jsonCodec) Receive() (interface{}, error) {
	var in struct {
		Head string
		Body json.RawMessage
	}
	if err := c.decoder.Decode(&in); err != nil {
		return nil, err
	}
	body := c.protocol.newMessage(in.Head)
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return nil, err
	}
	return body, nil
}

func (c *jsonCodec) Send(msg interface{}) error {
	out := struct {
		Head string
		Body interface{}
	}{c.protocol.nameOf(msg), msg}
	return c.encoder.Encode(&out)
}

func (c *jsonCodec) Close() error { return closeIfCloser(c.rw) }

func closeIfCloser(rw interface{}) error {
	if closer, ok := rw.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}
