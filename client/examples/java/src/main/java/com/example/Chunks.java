package com.example;

import com.google.protobuf.ByteString;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Cuts a file of one batch a line into chunks of about 100 events. */
final class Chunks implements Closeable {
  static final int BYTES = 1 << 20;
  private static final int EVENTS = 100;
  private static final int LINE_BYTES = BYTES - 64; // the message round a chunk takes some

  private final BufferedReader lines;
  private ByteString pending; // read, and too large for the chunk before
  private int number; // of the line in hand

  /** Lines that follow one another, and the number of the first. */
  record Piece(ByteString json, int line) {}

  Chunks(Path file) throws IOException {
    lines = Files.newBufferedReader(file);
  }

  /** Gives the next chunk, null at the end. An empty line ends the one before it. */
  Piece next() throws IOException {
    ByteString chunk = ByteString.EMPTY;
    int first = 0;
    int events = 0;
    while (events < EVENTS && read()) {
      ByteString line = pending;
      if (line.isEmpty()) {
        pending = null;
        if (first > 0) {
          break;
        }
        continue;
      }
      int count = events(line);
      boolean fits = events + count <= EVENTS && chunk.size() + line.size() < LINE_BYTES;
      if (first > 0 && !fits) {
        break;
      }
      chunk = first == 0 ? line : chunk.concat(ByteString.copyFromUtf8("\n")).concat(line);
      first = first == 0 ? number : first;
      events += count;
      pending = null;
    }
    return first == 0 ? null : new Piece(chunk, first);
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }

  private boolean read() throws IOException {
    if (pending != null) {
      return true;
    }
    String line = lines.readLine();
    if (line == null) {
      return false;
    }
    number++;
    pending = ByteString.copyFrom(line.strip(), StandardCharsets.UTF_8);
    if (pending.size() > LINE_BYTES) {
      throw new IOException("line " + number + ": too large for a chunk");
    }
    return true;
  }

  /** Counts events without reading the JSON: each names its type. */
  private static int events(ByteString line) {
    String text = line.toString(StandardCharsets.UTF_8);
    int count = 0;
    for (int at = 0; (at = text.indexOf("\"event_type\"", at)) >= 0; at++) {
      count++;
    }
    return Math.max(1, count);
  }
}
