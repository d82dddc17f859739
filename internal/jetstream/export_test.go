package jetstream

// EnsureQueue lets the conformance suite, whose topics are made up as it runs, add them to an open bus.
var EnsureQueue = (*Bus).ensureQueue

// Kill cuts the bus off as the death of its process would: nothing is flushed, no pin is handed back.
func (b *Bus) Kill() { b.nc.Close() }
