package test

import "testing"

// TestEndToEnd holds the product on every stack: the same bodies, whatever carries the events and keeps the data.
func TestEndToEnd(t *testing.T) {
	for _, s := range stacks {
		t.Run(s.name, func(t *testing.T) {
			for _, body := range []struct {
				name string
				run  func(t *testing.T, s stack)
			}{
				{"the spec's examples", specExamples},
				{"everything that LiveChat sends, to a history (F4)", livechatCorpus},
				{"an upload is cleaned, released and stands in history", uploads},
				{"a webhook reaches its destination signed", webhookDestination},
				{"dead letters are listed, shown, redriven and purged", deadLetters},
				{"F2 a worker is killed mid-handler", killOfWorkers},
				{"F4 one event eleven times is one message", sameEventElevenTimes},
				{"F10 messages near the limit of a body", largeMessages},
				{"F14 SIGTERM under load", termUnderLoad},
			} {
				t.Run(body.name, func(t *testing.T) {
					t.Parallel()
					body.run(t, s)
				})
			}
		})
	}
}
