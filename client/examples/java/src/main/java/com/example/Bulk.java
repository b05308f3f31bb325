package com.example;

import com.example.Chunks.Piece;
import com.google.protobuf.util.Durations;
import com.tokferry.v1.Chunk;
import com.tokferry.v1.ChunkResult;
import com.tokferry.v1.ForwardStreamRequest;
import com.tokferry.v1.ForwardStreamResponse;
import com.tokferry.v1.ForwardingServiceGrpc;
import com.tokferry.v1.ForwardingServiceGrpc.ForwardingServiceStub;
import com.tokferry.v1.StreamOpened;
import com.tokferry.v1.StreamOptions;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Delivers in bulk. A chunk keeps its number and bytes until it is answered; after a broken
 * stream all without an answer are sent again.
 */
final class Bulk {
  private static final long PATIENCE_SECONDS = 300; // without an answered chunk

  private final ManagedChannel channel;
  private final Chunks chunks;
  private final Answered answered;
  private final StreamOptions.Builder options = StreamOptions.newBuilder();
  private final Map<Long, Sent> flight = new LinkedHashMap<>(); // in order of their numbers
  private long sequence;
  private boolean ended;
  private long progress = System.nanoTime();

  /** Takes the answer of a chunk, and the line of the file that it begins with. */
  interface Answered {
    void take(int line, ChunkResult result);
  }

  private record Sent(Chunk chunk, int line) {}

  Bulk(ManagedChannel channel, String connection, Chunks chunks, Answered answered) {
    this.channel = channel;
    this.chunks = chunks;
    this.answered = answered;
    options.setConnection(connection);
  }

  /** Delivers all, over as many streams as it takes. */
  void run() throws IOException, InterruptedException {
    for (int failures = 0; ; failures++) {
      long before = progress;
      long delay = 0;
      StatusRuntimeException broken = null;
      try {
        delay = once();
      } catch (StatusRuntimeException error) {
        if (!isBreak(error)) {
          throw error;
        }
        broken = error;
        delay = Durations.toMillis(Failure.decode(error).retryAfter());
      }
      if (ended && flight.isEmpty()) {
        return;
      }
      if (System.nanoTime() - progress > TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
        throw new IOException("the server answers no chunk", broken);
      }
      failures = progress == before ? failures : 0;
      long limit = Math.min(5_000, 200L << Math.min(failures, 5));
      Thread.sleep(delay + ThreadLocalRandom.current().nextLong(limit));
      channel.resetConnectBackoff(); // else a restarted server may be left alone for minutes
    }
  }

  /** Opens one stream and goes on until it ends; gives the delay that the server asks for. */
  private long once() throws IOException, InterruptedException {
    ForwardingServiceStub stub = ForwardingServiceGrpc.newStub(channel);
    Inbox inbox = new Inbox();
    var call = (ClientCallStreamObserver<ForwardStreamRequest>) stub.forwardStream(inbox);
    call.onNext(ForwardStreamRequest.newBuilder().setOptions(options).build());
    Window window = new Window(StreamOpened.getDefaultInstance());
    long delay = 0;
    try {
      for (ForwardStreamResponse next; (next = inbox.next()) != null; fill(call, window)) {
        switch (next.getResponseCase()) {
          case OPENED -> {
            // Answers keep their meaning, whatever a later server's settings say.
            options.setModeValue(next.getOpened().getModeValue());
            window = new Window(next.getOpened());
            window.again.addAll(flight.values());
          }
          case CHUNK -> take(next.getChunk(), window);
          case DRAINING -> {
            window.closed = true; // the rest goes to the next stream
            delay = Durations.toMillis(next.getDraining().getRetryDelay());
          }
          default -> {} // the totals; the stream ends
        }
      }
    } finally {
      call.cancel("left", null);
    }
    return delay;
  }

  /** Sends what the window has room for, first what was sent before. */
  private void fill(StreamObserver<ForwardStreamRequest> call, Window window)
      throws IOException {
    while (window.hasRoom()) {
      Sent next = window.again.isEmpty() ? read() : window.again.remove();
      if (next == null) {
        if (flight.isEmpty()) {
          window.closed = true;
          call.onCompleted();
        }
        return;
      }
      window.chunks++;
      window.bytes += next.chunk.getSerializedSize();
      call.onNext(ForwardStreamRequest.newBuilder().setChunk(next.chunk).build());
    }
  }

  /** Takes the next piece of the file into flight; null at its end. */
  private Sent read() throws IOException {
    Piece piece = ended ? null : chunks.next();
    if (piece == null) {
      ended = true;
      return null;
    }
    sequence++;
    Chunk chunk = Chunk.newBuilder().setSequence(sequence).setJson(piece.json()).build();
    Sent sent = new Sent(chunk, piece.line());
    flight.put(sequence, sent);
    return sent;
  }

  /** Notes the answer of one chunk, once. */
  private void take(ChunkResult result, Window window) {
    Sent sent = flight.remove(result.getSequence());
    if (sent == null) {
      return;
    }
    window.chunks--;
    window.bytes -= sent.chunk.getSerializedSize();
    progress = System.nanoTime();
    answered.take(sent.line, result);
  }

  /** Says whether it was the connection, so that a new stream may go on. */
  private static boolean isBreak(StatusRuntimeException error) {
    return switch (error.getStatus().getCode()) {
      case UNAVAILABLE, CANCELLED -> true;
      case UNKNOWN, INTERNAL -> Failure.decode(error).reason().isEmpty(); // gRPC's own words
      default -> false;
    };
  }

  /** What one stream has without an answer, and what it has to send again. */
  private static final class Window {
    final Deque<Sent> again = new ArrayDeque<>();
    private final StreamOpened opened;
    boolean closed;
    int chunks;
    long bytes;

    Window(StreamOpened opened) {
      this.opened = opened;
    }

    boolean hasRoom() {
      boolean fits = chunks == 0 || bytes + Chunks.BYTES <= opened.getWindowBytes();
      return !closed && chunks < opened.getWindowChunks() && fits;
    }
  }

  /** Hands what gRPC's threads receive to the thread that delivers. */
  private static final class Inbox implements StreamObserver<ForwardStreamResponse> {
    private static final Object END = new Object();
    private final BlockingQueue<Object> received = new LinkedBlockingQueue<>();

    /** Gives the next response, null at the end of the stream. */
    ForwardStreamResponse next() throws InterruptedException {
      Object next = received.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      if (next == null) {
        throw Status.UNAVAILABLE.withDescription("no answer").asRuntimeException();
      }
      if (next instanceof StatusRuntimeException error) {
        throw error;
      }
      return next == END ? null : (ForwardStreamResponse) next;
    }

    @Override
    public void onNext(ForwardStreamResponse response) {
      received.add(response);
    }

    @Override
    public void onError(Throwable error) {
      received.add(error);
    }

    @Override
    public void onCompleted() {
      received.add(END);
    }
  }
}
