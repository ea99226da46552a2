// Package state keeps dmthin's durable records: one JSON file a layer, the one
// open intent of the write protocol, the device set, the pool's identity, and
// the device IDs in use. File names, keys and rules are those of Docker's own
// devicemapper driver (up to Docker 24), so that a pool can be taken over from
// it and handed back.
//
// It decides nothing: what a record means, and in which order records and pool
// messages are written, is the business of package layer. It calls no
// device-mapper.
package state
