package takeover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
)

// document is a JSON object in a file. Single keys of it are read and changed;
// the rest of the text stays as somebody wrote it.
type document struct {
	path    string
	exists  bool
	content []byte
	members []member
}

// member is one key of the object, and where its value is in the text.
type member struct {
	key        string
	start, end int
}

// readDocument reads a file that may be missing: that is an empty object.
func readDocument(path string) (*document, error) {
	content, err := os.ReadFile(path)
	d := &document{path: path, exists: err == nil, content: content}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return d, d.parse()
}

// parseDocument makes a document of text that is not, or no longer, in the
// file; nil for a file that isn't there.
func parseDocument(path string, text *string) (*document, error) {
	d := &document{path: path, exists: text != nil}
	if text != nil {
		d.content = []byte(*text)
	}
	return d, d.parse()
}

func (d *document) parse() error {
	if len(bytes.TrimSpace(d.content)) == 0 {
		d.content = []byte("{}\n")
	}
	if err := d.parseMembers(); err != nil {
		return fmt.Errorf("%s: %w; correct the file first", d.path, err)
	}
	return nil
}

func (d *document) parseMembers() error {
	d.members = nil
	dec := json.NewDecoder(bytes.NewReader(d.content))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return errors.Join(errors.New("it is no JSON object"), err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		end := int(dec.InputOffset())
		name, _ := key.(string) // the decoder takes nothing else for a key
		d.members = append(d.members, member{name, end - len(value), end})
	}
	_, err := dec.Token()
	return err
}

// get decodes the value of a key into v, and leaves v as it is where there is
// none, or one of another type.
func (d *document) get(key string, v any) {
	for _, m := range d.members {
		if m.key == key {
			_ = json.Unmarshal(d.content[m.start:m.end], v) // dockerd refuses what is of another type
		}
	}
}

// has reports whether a key is there.
func (d *document) has(key string) bool {
	return slices.ContainsFunc(d.members, func(m member) bool { return m.key == key })
}

// textOrNil is the document's text for a journal.
func (d *document) textOrNil() *string {
	if !d.exists {
		return nil
	}
	text := string(d.content)
	return &text
}

// text is the value of a key that is a string, else "".
func (d *document) text(key string) (s string) {
	d.get(key, &s)
	return s
}

// set returns the document with another value for a key.
func (d *document) set(key string, value any) (*document, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	next := &document{path: d.path, exists: d.exists}
	for _, m := range slices.Backward(d.members) { // of equal keys the last counts
		if m.key == key {
			next.content = bytes.Join([][]byte{d.content[:m.start], text, d.content[m.end:]}, nil)
			return next, next.parse()
		}
	}
	next.content = d.insert(key, text)
	return next, next.parse()
}

// insert adds a key at the end, in the style of the keys there are.
func (d *document) insert(key string, value []byte) []byte {
	name, _ := json.Marshal(key) // a string
	entry := append(append(name, ": "...), value...)
	if len(d.members) == 0 {
		return []byte("{\n  " + string(entry) + "\n}\n")
	}
	open := bytes.IndexByte(d.content, '{') + 1
	indent := d.content[open : open+len(d.content[open:])-len(bytes.TrimLeft(d.content[open:], " \t\r\n"))]
	at := d.members[len(d.members)-1].end
	return bytes.Join([][]byte{d.content[:at], {','}, indent, entry, d.content[at:]}, nil)
}
