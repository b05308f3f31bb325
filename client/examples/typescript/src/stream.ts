// Delivers in bulk: a bounded window, and chunks without an answer are sent again.
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { status, type ClientDuplexStream } from "@grpc/grpc-js";
import { CHUNK_BYTES, type Piece } from "./chunks.js";
import type { Connection } from "./connect.js";
import { decode, isServiceError } from "./failure.js";
import {
  ChunkSchema, ForwardingService, ForwardStreamRequestSchema, StreamOptionsSchema,
  type Chunk, type ChunkResult, type ForwardStreamRequest, type ForwardStreamResponse,
  type StreamOpened, type StreamOptions,
} from "./gen/tokferry/v1/forwarding_service_pb.js";

const PATIENCE_MS = 300_000; // without an answered chunk

type Stream = ClientDuplexStream<ForwardStreamRequest, ForwardStreamResponse>;

/** A chunk without an answer; it keeps its number and bytes until it has one. */
interface Sent {
  chunk: Chunk;
  size: number;
  line: number;
}

export class Bulk {
  readonly #flight = new Map<bigint, Sent>(); // in order of their numbers
  readonly #options: StreamOptions;
  #sequence = 0n;
  #ended = false;
  #progress = Date.now();

  constructor(
    private readonly connection: Connection,
    name: string,
    private readonly pieces: AsyncIterator<Piece>,
    private readonly answered: (line: number, result: ChunkResult) => void,
  ) {
    this.#options = create(StreamOptionsSchema, { connection: name });
  }

  /** Delivers all, over as many streams as it takes. */
  async run(): Promise<void> {
    for (let failures = 0; ; failures += 1) {
      const before = this.#progress;
      let delay = 0;
      let broken: unknown;
      try {
        delay = await this.#once();
      } catch (error) {
        if (!isBreak(error)) throw error;
        delay = decode(error).retryAfterMs;
        broken = error;
      }
      if (this.#ended && this.#flight.size === 0) return;
      if (Date.now() - this.#progress > PATIENCE_MS) {
        throw broken ?? new Error("the server answers no chunk");
      }
      if (this.#progress > before) failures = 0;
      const limit = Math.min(5_000, 200 * 2 ** Math.min(failures, 5));
      await sleep(delay + Math.random() * limit);
    }
  }

  /** Opens one stream and goes on until it ends; gives the delay that the server asks for. */
  async #once(): Promise<number> {
    const call = this.connection.stream(ForwardingService.method.forwardStream);
    const watch = setInterval(() => {
      if (Date.now() - this.#progress > PATIENCE_MS) call.cancel();
    }, 10_000);
    let window = new Window();
    let delay = 0;
    const options = { case: "options" as const, value: this.#options };
    call.write(create(ForwardStreamRequestSchema, { request: options }));
    try {
      for await (const { response } of call as AsyncIterable<ForwardStreamResponse>) {
        if (response.case === "opened") {
          // Answers keep their meaning, whatever a later server's settings say.
          this.#options.mode = response.value.mode;
          window = new Window(response.value, this.#flight.values());
        } else if (response.case === "chunk") {
          this.#take(response.value, window);
        } else if (response.case === "draining") {
          window.isOpen = false; // the rest goes to the next stream
          if (response.value.retryDelay) delay = durationMs(response.value.retryDelay);
        }
        await this.#fill(call, window);
      }
    } finally {
      clearInterval(watch);
      call.cancel();
    }
    return delay;
  }

  /** Sends what the window has room for, first what was sent before. */
  async #fill(call: Stream, window: Window): Promise<void> {
    while (window.hasRoom) {
      const next = window.again.shift() ?? (await this.#read());
      if (next === undefined) {
        if (this.#flight.size === 0) {
          window.isOpen = false;
          call.end();
        }
        return;
      }
      window.chunks += 1;
      window.bytes += next.size;
      const request = { case: "chunk" as const, value: next.chunk };
      call.write(create(ForwardStreamRequestSchema, { request }));
    }
  }

  /** Takes the next piece of the file into flight. */
  async #read(): Promise<Sent | undefined> {
    const piece = this.#ended ? undefined : await this.pieces.next();
    if (piece === undefined || piece.done) {
      this.#ended = true;
      return undefined;
    }
    this.#sequence += 1n;
    const input = { case: "json" as const, value: piece.value.json };
    const chunk = create(ChunkSchema, { sequence: this.#sequence, input });
    const size = toBinary(ChunkSchema, chunk).length;
    const sent = { chunk, size, line: piece.value.line };
    this.#flight.set(this.#sequence, sent);
    return sent;
  }

  /** Notes the answer of one chunk, once. */
  #take(result: ChunkResult, window: Window): void {
    const sent = this.#flight.get(result.sequence);
    if (sent === undefined) return;
    this.#flight.delete(result.sequence);
    window.chunks -= 1;
    window.bytes -= sent.size;
    this.#progress = Date.now();
    this.answered(sent.line, result);
  }
}

/** What one stream has without an answer, and what it has to send again. */
class Window {
  chunks = 0;
  bytes = 0;
  isOpen: boolean;
  readonly again: Sent[];

  constructor(private readonly opened?: StreamOpened, again: Iterable<Sent> = []) {
    this.isOpen = opened !== undefined;
    this.again = [...again];
  }

  get hasRoom(): boolean {
    if (!this.isOpen || this.opened === undefined) return false;
    const fits = this.bytes + CHUNK_BYTES <= Number(this.opened.windowBytes);
    return this.chunks < this.opened.windowChunks && (fits || this.chunks === 0);
  }
}

/** Says whether it was the connection, so that a new stream may go on. */
function isBreak(error: unknown): error is Parameters<typeof decode>[0] {
  if (!isServiceError(error)) return false;
  const { code, reason } = decode(error);
  // gRPC's own words for a connection that broke are the last two.
  const unsaid = code === status.UNKNOWN || code === status.INTERNAL;
  return code === status.UNAVAILABLE || code === status.CANCELLED || (unsaid && !reason);
}
