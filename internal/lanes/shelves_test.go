package lanes

import (
	"container/heap"
	"math/rand/v2"
)

// shelf holds what may be delivered, and says what comes next.
type shelf interface {
	put(e *entry) // e is visible: published, or in flight no more
	take(limit int) []*entry
	acked(e *entry) // e was in flight
}

// seqShelf delivers the oldest first, as a JetStream durable does.
type seqShelf struct{ entries *pile[*entry] }

func older(a, b *entry) bool { return a.seq < b.seq }

func newSeqShelf() shelf { return &seqShelf{newPile(older)} }

func (s *seqShelf) put(e *entry) { heap.Push(s.entries, e) }
func (s *seqShelf) acked(*entry) {}

func (s *seqShelf) take(limit int) []*entry {
	var batch []*entry
	for s.entries.Len() > 0 && len(batch) < limit {
		if e := heap.Pop(s.entries).(*entry); !e.acked {
			batch = append(batch, e)
		}
	}
	return batch
}

// randomShelf delivers one of the first hundred, as a standard queue does: roughly in order.
type randomShelf struct {
	entries []*entry
	rng     *rand.Rand
}

func newRandomShelf() shelf { return &randomShelf{rng: rand.New(rand.NewPCG(1, 2))} }

func (s *randomShelf) put(e *entry) { s.entries = append(s.entries, e) }
func (s *randomShelf) acked(*entry) {}

func (s *randomShelf) take(limit int) []*entry {
	var batch []*entry
	for len(s.entries) > 0 && len(batch) < limit {
		i := s.rng.IntN(min(100, len(s.entries)))
		s.entries[0], s.entries[i] = s.entries[i], s.entries[0]
		if e := s.entries[0]; !e.acked {
			batch = append(batch, e)
		}
		s.entries = s.entries[1:]
	}
	return batch
}

// groupShelf delivers ten of a group in order, and then nothing of it while one of those is hidden, as a FIFO queue does.
type groupShelf struct {
	groups map[string]*group
	ready  *pile[*group]
}

type group struct {
	visible *pile[*entry]
	hidden  int
	ready   bool
}

func newGroupShelf() shelf {
	return &groupShelf{map[string]*group{}, newPile(func(a, b *group) bool {
		return older(a.visible.items[0], b.visible.items[0])
	})}
}

func (s *groupShelf) put(e *entry) {
	g := s.groups[e.key]
	if g == nil {
		g = &group{visible: newPile(older)}
		s.groups[e.key] = g
	}
	if e.received > 0 {
		g.hidden--
	}
	heap.Push(g.visible, e)
	s.unlock(g)
}

func (s *groupShelf) acked(e *entry) {
	g := s.groups[e.key]
	g.hidden--
	s.unlock(g)
}

func (s *groupShelf) unlock(g *group) {
	if g.hidden == 0 && g.visible.Len() > 0 && !g.ready {
		g.ready = true
		heap.Push(s.ready, g)
	}
}

func (s *groupShelf) take(limit int) []*entry {
	var batch []*entry
	for s.ready.Len() > 0 && len(batch) < limit {
		g := heap.Pop(s.ready).(*group)
		g.ready = false
		for range min(10, limit-len(batch), g.visible.Len()) {
			batch = append(batch, heap.Pop(g.visible).(*entry))
			g.hidden++
		}
	}
	return batch
}

// pile is a heap.
type pile[T any] struct {
	items []T
	less  func(a, b T) bool
}

func newPile[T any](less func(a, b T) bool) *pile[T] { return &pile[T]{less: less} }

func (p *pile[T]) Len() int           { return len(p.items) }
func (p *pile[T]) Less(i, j int) bool { return p.less(p.items[i], p.items[j]) }
func (p *pile[T]) Swap(i, j int)      { p.items[i], p.items[j] = p.items[j], p.items[i] }
func (p *pile[T]) Push(v any)         { p.items = append(p.items, v.(T)) }
func (p *pile[T]) Pop() any {
	last := len(p.items) - 1
	v := p.items[last]
	p.items = p.items[:last]
	return v
}
