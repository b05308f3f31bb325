// Cuts a file of one batch a line into chunks.
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

const EVENTS = 100;
export const CHUNK_BYTES = 2 ** 20;
const LINE_BYTES = CHUNK_BYTES - 64; // the message round a chunk takes some

/** Lines that follow one another, and the number of the first. */
export interface Piece {
  json: Buffer;
  line: number;
}

/** Gives chunks of about 100 events; an empty line ends the one before it. */
export async function* chunks(file: string): AsyncGenerator<Piece> {
  let lines: string[] = [];
  let first = 0, events = 0, bytes = 0, number = 0;
  const cut = (): Piece => {
    const piece = { json: Buffer.from(lines.join("\n")), line: first };
    lines = [];
    events = bytes = 0;
    return piece;
  };
  const input = createReadStream(file);
  for await (const text of createInterface({ input, crlfDelay: Infinity })) {
    number += 1;
    const line = text.trim();
    const size = Buffer.byteLength(line) + 1;
    if (size > LINE_BYTES) throw new Error(`line ${number}: too large for a chunk`);
    // Counted without reading the JSON: each event names its type.
    const count = Math.max(1, line.split('"event_type"').length - 1);
    const full = events + count > EVENTS || bytes + size > LINE_BYTES;
    if (lines.length > 0 && (line === "" || full)) yield cut();
    if (line === "") continue;
    if (lines.length === 0) first = number;
    lines.push(line);
    events += count;
    bytes += size;
  }
  if (lines.length > 0) yield cut();
}
