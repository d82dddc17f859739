package amazon

import (
	"fmt"
	"regexp"
)

// names are the topics and queues of one environment. SNS and SQS allow letters, digits, - and _, at most 80 characters
// in a queue's name, and want .fifo at the end of every name of a FIFO pair.
type names struct {
	prefix string
	fifo   bool
}

func (n names) topic(topic string) string     { return n.suffixed(n.prefix + "-" + topic) }
func (n names) queue(queue string) string     { return n.suffixed(n.prefix + "-" + queue) }
func (n names) deadQueue(queue string) string { return n.suffixed(n.prefix + "-" + queue + "-dead") }

func (n names) suffixed(name string) string {
	if n.fifo {
		return name + ".fifo"
	}
	return name
}

// maxName is the limit of an SQS queue's name, .fifo included.
const maxName = 80

var allowed = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (n names) validate(queues []Queue) error {
	check := func(name string) error {
		full := n.suffixed(name)
		if !allowed.MatchString(name) {
			return fmt.Errorf("name %q: SNS and SQS allow letters, digits, - and _", name)
		}
		if len(full) > maxName {
			return fmt.Errorf("name %q has %d characters, SQS allows %d: choose a shorter prefix", full, len(full), maxName)
		}
		return nil
	}
	for _, q := range queues {
		if err := check(n.prefix + "-" + q.Name + "-dead"); err != nil {
			return err
		}
		for _, topic := range q.Topics {
			if err := check(n.prefix + "-" + topic); err != nil {
				return err
			}
		}
	}
	return nil
}
