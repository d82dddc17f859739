package livechat

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// mayBeNote reports whether JSON that nothing else is known of may hold what agents wrote among themselves. A member says
// that something is for agents, or there is an event or a change of one, and nothing says that it is for all.
func mayBeNote(v jsontext.Value) bool {
	tree, _, err := parse(v)
	if err != nil {
		return true
	}
	var s signs
	s.read(tree)
	return s.forAgents || s.written && !s.forAll
}

// signs are what the names in a body say about who may see it.
type signs struct {
	forAgents bool
	forAll    bool
	written   bool // there is something that a person may have written
}

func (s *signs) read(n node) {
	for i, item := range n.items {
		if n.kind == '{' {
			s.member(strings.ToLower(n.names[i]), item)
		}
		s.read(item)
	}
}

func (s *signs) member(name string, value node) {
	switch name {
	case "visibility", "recipients":
		if strings.EqualFold(string(value.raw), `"all"`) { // as of an event that can be read
			s.forAll = true
		} else {
			s.forAgents = true
		}
	case "user_type": // of version 2: a supervisor whispers to the agent
		s.forAgents = s.forAgents || string(value.raw) == `"supervisor"`
	case "summary":
		s.forAgents = s.forAgents || value.kind != 'n'
	case "event", "events": // the app lifecycle's event is a word
		s.written = s.written || len(value.items) > 0
	case "event_id":
		s.written = s.written || value.kind != 'n'
	}
}
