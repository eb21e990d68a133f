package socket

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/elasticcode/flow/broker"
	"github.com/elasticcode/flow/model"
)

// Large values go into the database through the queue of the records: in parts,
// each a message with the bytes as they are, and these headers.
const (
	HeaderBlob = "flow-blob" // the SHA-256 of the whole value
	HeaderPart = "flow-part" // which part, from 0, and of how many: "0/3"
)

// blobType is the content type of a part.
const blobType = "application/octet-stream"

// EncodeBlobs makes the messages that bring large values into the database.
func EncodeBlobs(blobs []model.Blob) []broker.Message {
	var msgs []broker.Message
	for _, b := range blobs {
		for _, p := range b.Parts() {
			msgs = append(msgs, broker.Message{
				ID: model.NewID(), Key: Records, ContentType: blobType, Body: p.Data,
				Headers: map[string]string{HeaderBlob: p.Hash, HeaderPart: strconv.Itoa(p.Part) + "/" + strconv.Itoa(p.Parts)},
			})
		}
	}
	return msgs
}

// DecodeBlob reads a part of a large value; ok is false for a message that is none.
func DecodeBlob(m broker.Message) (part model.BlobPart, ok bool, err error) {
	hash := m.Headers[HeaderBlob]
	if hash == "" {
		return part, false, nil
	}
	n, of, _ := strings.Cut(m.Headers[HeaderPart], "/")
	part = model.BlobPart{Hash: hash, Data: m.Body}
	if part.Part, err = strconv.Atoi(n); err == nil {
		part.Parts, err = strconv.Atoi(of)
	}
	if err != nil || part.Part < 0 || part.Part >= part.Parts {
		return part, true, fmt.Errorf("part %.40q of large value %.80q: it should look like 0/3", m.Headers[HeaderPart], hash)
	}
	return part, true, nil
}
