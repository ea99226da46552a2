// Package metrics shows the daemon to Prometheus. It asks for a Snapshot at
// each scrape, counts dockerd's calls as they come, and serves both in the text
// format. It decides nothing and keeps no state of its own but those counts;
// how a Snapshot is put together is the caller's business.
package metrics
