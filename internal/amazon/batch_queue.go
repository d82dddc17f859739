package amazon

import (
	"slices"
	"time"
)

// The queue of a batcher: which parcels may leave, and when. Its methods are called with b.mu held, except again.

// line puts a new parcel where it waits.
func (b *batcher) line(p *parcel) {
	b.open++
	if b.ordered {
		waiting, busy := b.groups[p.group]
		if busy {
			b.groups[p.group] = append(waiting, p)
			return
		}
		b.groups[p.group] = nil
	}
	b.ready = append(b.ready, p)
}

// dispatch starts every call that may start.
func (b *batcher) dispatch() {
	if b.stale {
		b.sweep()
	}
	for b.calls < maxCalls && len(b.ready) > 0 {
		n, full := b.next()
		if wait := b.patience() - time.Since(b.ready[0].since); !full && wait > 0 {
			b.wakeAfter(wait)
			return
		}
		batch := slices.Clone(b.ready[:n])
		b.ready = slices.Delete(b.ready, 0, n)
		for _, p := range batch {
			p.flying = true
		}
		b.calls++
		go b.fly(batch)
	}
}

// next is how many parcels make the next batch, and whether nothing more fits into it.
func (b *batcher) next() (n int, full bool) {
	size := 0
	for n < len(b.ready) && n < maxBatch {
		p := b.ready[n]
		if size += p.size; n > 0 && (size > b.bytes || p.alone) {
			return n, true
		}
		n++
		if p.alone {
			return n, true
		}
	}
	return n, n == maxBatch
}

func (b *batcher) patience() time.Duration {
	switch {
	case b.closing:
		return 0
	case b.calls == 0:
		return b.linger
	default:
		return max(b.linger, patience)
	}
}

func (b *batcher) wakeAfter(d time.Duration) {
	if b.timer != nil {
		b.timer.Reset(d)
		return
	}
	b.timer = time.AfterFunc(d, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.dispatch()
	})
}

// again puts a parcel that has waited after a failure in front: it came first.
func (b *batcher) again(p *parcel) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.lost() {
		b.end(p, p.loss())
	} else {
		b.ready = slices.Insert(b.ready, 0, p)
	}
	b.dispatch()
}

// end gives a parcel its result, and its group to the next.
func (b *batcher) end(p *parcel, err error) {
	p.ended, p.wire = true, nil
	if err != nil {
		b.fail(p.of, err)
	}
	close(p.done)
	if b.ordered {
		if waiting := b.groups[p.group]; len(waiting) > 0 {
			b.ready = append(b.ready, waiting[0])
			b.groups[p.group] = waiting[1:]
			b.stale = b.stale || waiting[0].of.failed != nil
		} else {
			delete(b.groups, p.group)
		}
	}
	b.open--
	if b.closing && b.open == 0 {
		close(b.drained)
	}
}

// sweep ends the parcels of failed orders. That may bring followers into ready, which are looked at too.
func (b *batcher) sweep() {
	kept := make([]*parcel, 0, len(b.ready))
	for len(b.ready) > 0 {
		p := b.ready[0]
		b.ready = b.ready[1:]
		if p.of.failed != nil {
			b.end(p, p.of.failed)
		} else {
			kept = append(kept, p)
		}
	}
	b.ready, b.stale = kept, false
}
