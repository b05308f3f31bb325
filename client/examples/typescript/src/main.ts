// Calls Tokferry: transform [BATCH.json] | forward FILE | stream FILE.
import { readFileSync } from "node:fs";
import { create, fromJsonString, type DescEnum } from "@bufbuild/protobuf";
import { chunks } from "./chunks.js";
import { Connection } from "./connect.js";
import { decode, describe, isServiceError } from "./failure.js";
import { BatchSchema, Environment, type Batch } from "./gen/tokferry/mparticle/v1/batch_pb.js";
import { ProductActionType } from "./gen/tokferry/mparticle/v1/commerce_pb.js";
import { IdentityType } from "./gen/tokferry/mparticle/v1/identity_pb.js";
import { ForwardingService } from "./gen/tokferry/v1/forwarding_service_pb.js";
import {
  DropReasonSchema, ForwardTotalsSchema, Outcome, OutcomeSchema,
  type Drop, type EventResult, type ForwardTotals,
} from "./gen/tokferry/v1/result_pb.js";
import { Bulk } from "./stream.js";

const CONNECTION = process.env.TOKFERRY_CONNECTION || "shop";

/** Builds a batch of one purchase. 64-bit numbers are bigints. */
function purchase(): Batch {
  const page = { case: "stringValue" as const, value: "https://shop.example.com/thanks" };
  return create(BatchSchema, {
    environment: Environment.PRODUCTION,
    ip: "203.0.113.7",
    deviceInfo: { httpHeaderUserAgent: "ExampleBrowser/1.0" },
    userIdentities: [{ identityType: IdentityType.EMAIL, identity: "jane.doe@example.com" }],
    events: [{
      common: {
        timestampUnixtimeMs: 1_790_000_000_000n,
        eventId: 9_007_199_254_740_993n,
        customFlags: { "TikTok.URL": { value: page } },
      },
      data: {
        case: "commerceEvent",
        value: {
          currencyCode: "EUR",
          productAction: {
            action: ProductActionType.PURCHASE,
            transactionId: "order-1",
            totalAmount: 19.5,
            products: [{ id: "sku-1", price: 9.75, quantity: 2 }],
          },
        },
      },
    }],
  });
}

/** Shows what TikTok would get of a typed batch. */
async function transform(connection: Connection, file?: string): Promise<void> {
  const batch = file ? fromJsonString(BatchSchema, readFileSync(file, "utf8")) : purchase();
  const answer = await connection.unary(ForwardingService.method.transform, {
    connection: CONNECTION, input: { case: "batches", value: { batches: [batch] } },
  });
  for (const result of answer.results) {
    for (const event of result.events) console.log(Buffer.from(event.json).toString());
    if (result.drop) {
      console.log(`batch ${result.batch}${eventOf(result)}:${whyDropped(result.drop)}`);
    }
  }
}

/** Sends raw mParticle JSON, and says what became of each event. */
async function forward(connection: Connection, file: string): Promise<void> {
  const answer = await connection.unary(ForwardingService.method.forward, {
    connection: CONNECTION, input: { case: "json", value: readFileSync(file) },
  });
  for (const result of answer.results) {
    console.log(`batch ${result.batch}${eventOf(result)}: ${outcomeOf(result)}`);
  }
  if (answer.totals) printTotals(answer.totals);
}

/** Sends a file of one batch a line, and sums up what became of it. */
async function stream(connection: Connection, file: string): Promise<void> {
  const totals = create(ForwardTotalsSchema);
  const bulk = new Bulk(connection, CONNECTION, chunks(file), (line, answer) => {
    if (answer.totals) add(totals, answer.totals);
    for (const result of answer.results) {
      if (result.outcome === Outcome.DELIVERED || result.outcome === Outcome.ACCEPTED) continue;
      console.log(`line ${line + result.batch}${eventOf(result)}: ${outcomeOf(result)}`);
    }
  });
  await bulk.run();
  printTotals(totals);
}

/** Names the event; a batch that could not be read has none. */
function eventOf(result: { event?: number }): string {
  return result.event === undefined ? "" : ` event ${result.event}`;
}

function outcomeOf(result: EventResult): string {
  return nameOf(OutcomeSchema, result.outcome) + (result.drop ? whyDropped(result.drop) : "");
}

function whyDropped(drop: Drop): string {
  return ` ${nameOf(DropReasonSchema, drop.reason)} ${drop.field}`.trimEnd();
}

/** Names a value of an enum; newer servers may know more values. */
function nameOf(schema: DescEnum, value: number): string {
  return schema.value[value]?.name ?? String(value);
}

function printTotals(totals: ForwardTotals): void {
  const counts = ForwardTotalsSchema.fields.map(
    (field) => `${field.name}=${totals[field.localName as keyof typeof totals]}`,
  );
  console.log(["totals:", ...counts].join(" "));
}

function add(sum: ForwardTotals, more: ForwardTotals): void {
  sum.received += more.received;
  sum.dropped += more.dropped;
  sum.rejected += more.rejected;
  sum.delivered += more.delivered;
  sum.accepted += more.accepted;
  sum.retryable += more.retryable;
  sum.unknown += more.unknown;
  sum.validated += more.validated;
}

async function main([command = "", file = ""]: string[]): Promise<void> {
  const commands = new Map([["transform", transform], ["forward", forward], ["stream", stream]]);
  const run = commands.get(command);
  if (!run) throw new Error("usage: transform [BATCH.json] | forward FILE | stream FILE");
  const { TOKFERRY_TARGET, TOKFERRY_CA, TOKFERRY_TOKEN } = process.env;
  const connection = new Connection(
    TOKFERRY_TARGET || "localhost:50051", TOKFERRY_CA, TOKFERRY_TOKEN,
  );
  try {
    await run(connection, file);
  } finally {
    connection.close();
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (isServiceError(error)) console.error(describe(decode(error)));
  else console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
