package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	tokferryv1 "example.com/tokferry-example/gen/tokferry/v1"
)

const (
	chunkEvents = 100
	chunkBytes  = 1 << 20
	lineBytes   = chunkBytes - 64 // the message round a chunk takes some
	patience    = 5 * time.Minute // without an answered chunk
)

// sent is a chunk without an answer, and the line of the file that it begins with.
type sent struct {
	chunk *tokferryv1.Chunk
	line  int
}

// bulk delivers one batch a line. A chunk keeps its number and bytes until it is
// answered; after a broken stream all without an answer are sent again.
type bulk struct {
	client   tokferryv1.ForwardingServiceClient
	options  *tokferryv1.StreamOptions
	lines    *chunker
	answered func(line int, result *tokferryv1.ChunkResult)

	flight   []sent // in order of their numbers, never more than the window
	sequence uint64
	ended    bool
	progress time.Time
	delay    time.Duration // that a stopping server asks for
}

// run delivers all, over as many streams as it takes.
func (b *bulk) run(ctx context.Context) error {
	b.progress = time.Now()
	for failures := 0; ; failures++ {
		before := b.progress
		err := b.once(ctx)
		if b.ended && len(b.flight) == 0 {
			return nil
		}
		if err != nil && (!isBreak(err) || ctx.Err() != nil) {
			return err
		}
		if time.Since(b.progress) > patience {
			return fmt.Errorf("no chunk was answered for %s: %w", patience, err)
		}
		if b.progress.After(before) {
			failures = 0
		}
		limit := min(5*time.Second, 200*time.Millisecond<<min(failures, 5))
		select {
		case <-time.After(max(b.delay, decode(err).retryAfter) + rand.N(limit)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// once opens one stream and goes on until it ends.
func (b *bulk) once(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(patience, cancel) // for a server that answers nothing
	defer watch.Stop()
	b.delay = 0
	stream, err := b.client.ForwardStream(ctx)
	if err != nil {
		return err
	}
	options := &tokferryv1.ForwardStreamRequest_Options{Options: b.options}
	// Of a stream that is broken Send says only EOF; Recv says why.
	_ = stream.Send(&tokferryv1.ForwardStreamRequest{Request: options})
	window := &window{closed: true} // until the server opens it
	for {
		response, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch response := response.GetResponse().(type) {
		case *tokferryv1.ForwardStreamResponse_Opened:
			// Answers keep their meaning, whatever a later server's settings say.
			b.options.Mode = response.Opened.GetMode()
			window = newWindow(response.Opened)
			go send(ctx, stream, window.requests)
		case *tokferryv1.ForwardStreamResponse_Chunk:
			watch.Reset(patience)
			b.take(response.Chunk, window)
		case *tokferryv1.ForwardStreamResponse_Draining:
			window.closed = true // the rest goes to the next stream
			b.delay = response.Draining.GetRetryDelay().AsDuration()
		}
		if err := b.fill(window); err != nil {
			return err
		}
	}
}

// send is what may wait for the server. Were it done where answers are received, both
// sides could come to wait for one another.
func send(
	ctx context.Context,
	stream tokferryv1.ForwardingService_ForwardStreamClient,
	requests <-chan *tokferryv1.ForwardStreamRequest,
) {
	for {
		select {
		case <-ctx.Done():
			return
		case request, more := <-requests:
			if !more {
				_ = stream.CloseSend()
				return
			}
			_ = stream.Send(request)
		}
	}
}

// fill sends what the window has room for, first what was sent before.
func (b *bulk) fill(window *window) error {
	for !window.closed && window.hasRoom() {
		if window.next == len(b.flight) && !b.ended {
			if err := b.read(); err != nil {
				return err
			}
		}
		if window.next == len(b.flight) {
			if len(b.flight) == 0 {
				window.closed = true
				close(window.requests)
			}
			return nil
		}
		window.add(b.flight[window.next].chunk)
	}
	return nil
}

// read takes the next chunk of the file into flight.
func (b *bulk) read() error {
	data, line, err := b.lines.next()
	if errors.Is(err, io.EOF) {
		b.ended = true
		return nil
	}
	if err != nil {
		return err
	}
	b.sequence++
	input := &tokferryv1.Chunk_Json{Json: data}
	b.flight = append(b.flight, sent{&tokferryv1.Chunk{Sequence: b.sequence, Input: input}, line})
	return nil
}

// take notes the answer of one chunk, once.
func (b *bulk) take(result *tokferryv1.ChunkResult, window *window) {
	for index, one := range b.flight[:window.next] {
		if one.chunk.GetSequence() == result.GetSequence() {
			b.flight = append(b.flight[:index], b.flight[index+1:]...)
			window.remove(one.chunk)
			b.progress = time.Now()
			b.answered(one.line, result)
			return
		}
	}
}

// isBreak says whether it was the connection, so that a new stream may go on.
func isBreak(err error) bool {
	if _, isStatus := status.FromError(err); !isStatus {
		return false
	}
	found := decode(err)
	switch found.status.Code() {
	case codes.Unavailable, codes.Canceled:
		return true
	case codes.Unknown, codes.Internal: // gRPC's own words for a connection that broke
		return found.reason == ""
	}
	return false
}

// window is what one stream may have without an answer; next is the first chunk of
// the flight that it has not sent. requests has room for all of it, so adding to it
// never waits.
type window struct {
	chunks, next, bytes, mostBytes int
	closed                         bool
	requests                       chan *tokferryv1.ForwardStreamRequest
}

func newWindow(opened *tokferryv1.StreamOpened) *window {
	chunks := int(opened.GetWindowChunks())
	return &window{
		chunks:    chunks,
		mostBytes: int(opened.GetWindowBytes()),
		requests:  make(chan *tokferryv1.ForwardStreamRequest, chunks),
	}
}

func (w *window) hasRoom() bool {
	return w.next < w.chunks && (w.next == 0 || w.bytes+chunkBytes <= w.mostBytes)
}

func (w *window) add(chunk *tokferryv1.Chunk) {
	w.next++
	w.bytes += proto.Size(chunk)
	request := &tokferryv1.ForwardStreamRequest_Chunk{Chunk: chunk}
	w.requests <- &tokferryv1.ForwardStreamRequest{Request: request}
}

func (w *window) remove(chunk *tokferryv1.Chunk) {
	w.next--
	w.bytes -= proto.Size(chunk)
}

// chunker cuts lines into chunks of about chunkEvents events. The batches of a chunk
// are lines that follow one another, so that results can be traced to them.
type chunker struct {
	lines   *bufio.Scanner
	number  int    // of the line in hand
	pending []byte // read, and too large for the chunk before
}

func newChunker(file io.Reader) *chunker {
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineBytes)
	return &chunker{lines: lines}
}

// next gives a chunk and the number of its first line; io.EOF at the end.
func (c *chunker) next() ([]byte, int, error) {
	var chunk []byte
	first, events := 0, 0
	for events < chunkEvents && c.scan() {
		line := c.pending
		if len(line) == 0 { // passed over: an empty line ends the chunk before it
			c.pending = nil
			if first > 0 {
				break
			}
			continue
		}
		// Counted without reading the JSON: each event names its type.
		count := max(1, bytes.Count(line, []byte(`"event_type"`)))
		if first > 0 && (events+count > chunkEvents || len(chunk)+len(line) >= lineBytes) {
			break
		}
		if first == 0 {
			first = c.number
		} else {
			chunk = append(chunk, '\n')
		}
		chunk, events, c.pending = append(chunk, line...), events+count, nil
	}
	if err := c.lines.Err(); err != nil {
		return nil, 0, fmt.Errorf("line %d: %w", c.number+1, err)
	}
	if first == 0 {
		return nil, 0, io.EOF
	}
	return chunk, first, nil
}

func (c *chunker) scan() bool {
	if c.pending != nil {
		return true
	}
	if !c.lines.Scan() {
		return false
	}
	c.number++
	c.pending = append([]byte{}, bytes.TrimSpace(c.lines.Bytes())...)
	return true
}
