// Package goleakbench measures what goleak's check costs when there is nothing to find.
package goleakbench

import (
	"testing"

	"go.uber.org/goleak"
)

// The benchmark's own goroutines are passed over, as goleak does by itself with a test's.
func BenchmarkVerifyNone(b *testing.B) {
	own := goleak.IgnoreCurrent()
	b.ResetTimer()
	for range b.N {
		goleak.VerifyNone(b, own)
	}
}

// With a thousand goroutines of others, which it is told to pass over.
func BenchmarkVerifyNoneBesideAThousand(b *testing.B) {
	over := make(chan struct{})
	defer close(over)
	begun := make(chan struct{})
	for range 1000 {
		go func() {
			begun <- struct{}{}
			<-over
		}()
		<-begun
	}
	others := goleak.IgnoreCurrent()
	b.ResetTimer()
	for range b.N {
		goleak.VerifyNone(b, others)
	}
}
