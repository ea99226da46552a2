package monitor

import (
	"fmt"
	"time"

	"github.com/docker/go-units"
	"github.com/sirupsen/logrus"

	"github.com/dmthin/dmthin/internal/thinpool"
)

// topic is something that can go wrong by itself. The log tells each once, until
// it changes.
type topic string

const (
	topicStatus      topic = "status"
	topicHost        topic = "host"
	topicReserve     topic = "metadata reserve"
	topicGrow        topic = "grow"
	topicExtend      topic = "extend"
	topicReserveLeft topic = "reserve"
	topicChoice      topic = "no space"
)

// complain warns of an error that is new. nil ends the topic.
func (m *Monitor) complain(about topic, err error) { m.complainAt(logrus.WarnLevel, about, err) }

func (m *Monitor) complainAt(level logrus.Level, about topic, err error) {
	if err == nil {
		delete(m.said, about)
		return
	}
	if text := err.Error(); m.said[about] != text {
		m.said[about] = text
		m.log.WithField("op", string(about)).Log(level, text)
	}
}

// next is the state after a look that found status.
func (s State) next(status thinpool.Status, now time.Time) State {
	s.CheckedAt, s.Pool, s.Problem = now, status, ""
	if broken(status) {
		s.Problem = status.Check().Error()
	}
	if status.Mode == thinpool.ModeFailed {
		return s // it tells nothing else
	}
	data, metadata := dataSpace(status), metadataSpace(status)
	data.Level = nextLevel(data, s.Data.Level, dataFull(status))
	metadata.Level = nextLevel(metadata, s.Metadata.Level, status.MetadataFull())
	s.Data, s.Metadata = data, metadata
	switch {
	case !full(status):
		s.FullSince = time.Time{}
	case s.FullSince.IsZero():
		s.FullSince = now
	}
	return s
}

// report logs what has changed.
func (m *Monitor) report(before, after State) {
	if after.Problem != before.Problem && after.Problem != "" {
		m.log.Error(after.Problem)
	}
	if after.Problem == "" && before.Problem != "" {
		m.log.Info("the pool can be changed again")
	}
	m.reportSpace("data", before.Data, after.Data)
	m.reportSpace("metadata", before.Metadata, after.Metadata)
	m.reportHost(before, after)
	if after.FullSince.IsZero() && !before.FullSince.IsZero() {
		m.log.Infof("the pool has space again, after %v", after.CheckedAt.Sub(before.FullSince).Round(time.Millisecond))
	}
}

func (m *Monitor) reportSpace(what string, before, after Space) {
	text := fmt.Sprintf("%s space of the pool is %s: %d%% of %s used", what, after.Level, after.Percent(), size(after.Total))
	m.reportLevel(text, before.Level, after.Level)
}

func (m *Monitor) reportHost(before, after State) {
	text := fmt.Sprintf("the filesystem below the pool's loop devices is %s: %s left", after.HostLevel, size(after.HostFree))
	m.reportLevel(text, before.HostLevel, after.HostLevel)
}

// reportLevel logs a change: what is getting worse with the next step.
func (m *Monitor) reportLevel(text string, before, after Level) {
	level := logrus.WarnLevel
	switch {
	case after == before:
		return
	case after < before:
		level = logrus.InfoLevel
	case after == LevelFull && m.failWrites():
		level = logrus.ErrorLevel // otherwise writers just wait for more space
	}
	if after > before {
		text += m.nextStep()
	}
	m.log.Log(level, text)
}

// nextStep is what the operator can do, to end a line with.
func (m *Monitor) nextStep() string {
	if m.cfg.HowToGrow == "" {
		return ""
	}
	return "; " + m.cfg.HowToGrow
}

func size(bytes int64) string { return units.BytesSize(float64(bytes)) }
