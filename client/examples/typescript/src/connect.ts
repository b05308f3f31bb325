// How a channel is opened, and calls of generated services are made over it.
import { readFileSync } from "node:fs";
import {
  create, fromBinary, toBinary,
  type DescMethodBiDiStreaming, type DescMethodUnary, type MessageInitShape,
  type MessageShape, type DescMessage,
} from "@bufbuild/protobuf";
import {
  Client, Metadata, credentials, type ChannelCredentials, type ClientDuplexStream,
} from "@grpc/grpc-js";

const DEADLINE_MS = 30_000;

// Only UNAVAILABLE is tried again: the server promises that nothing was accepted then.
const SERVICE_CONFIG = `{
  "methodConfig": [{
    "name": [{"service": "tokferry.v1.ForwardingService"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.2s",
      "maxBackoff": "5s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`;

/** A channel, and the token that goes with each call. */
export class Connection {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  /** authorities is a PEM file, "system", or empty for plaintext. */
  constructor(target: string, authorities = "", token = "") {
    if (authorities === "" && token !== "" && !isLoopback(target)) {
      throw new Error(`refusing to send the token in clear text to ${target}`);
    }
    if (token !== "") this.#metadata.set("authorization", `Bearer ${token}`);
    this.#client = new Client(target, transport(authorities), {
      "grpc.service_config": SERVICE_CONFIG,
      "grpc.keepalive_time_ms": 60_000,
      "grpc.keepalive_timeout_ms": 20_000,
      // By default a restarted server may be left alone for two minutes.
      "grpc.max_reconnect_backoff_ms": 5_000,
    });
  }

  /** Makes one call; rejects with a ServiceError. */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>, request: MessageInitShape<I>,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path(method), writer(method.input), reader(method.output),
        create(method.input, request), this.#metadata,
        { deadline: Date.now() + DEADLINE_MS },
        (error, answer) => (error ? reject(error) : resolve(answer!)),
      );
    });
  }

  /** Opens a stream in both directions. */
  stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
  ): ClientDuplexStream<MessageShape<I>, MessageShape<O>> {
    return this.#client.makeBidiStreamRequest(
      path(method), writer(method.input), reader(method.output), this.#metadata,
    );
  }

  close(): void {
    this.#client.close();
  }
}

function path(method: { name: string; parent: { typeName: string } }): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function writer<T extends DescMessage>(schema: T) {
  return (message: MessageShape<T>) => Buffer.from(toBinary(schema, message));
}

function reader<T extends DescMessage>(schema: T) {
  return (bytes: Buffer) => fromBinary(schema, bytes);
}

function transport(authorities: string): ChannelCredentials {
  if (authorities === "") return credentials.createInsecure();
  if (authorities === "system") return credentials.createSsl();
  return credentials.createSsl(readFileSync(authorities));
}

function isLoopback(target: string): boolean {
  const host = target.replace(/:\d+$/, "");
  return host === "localhost" || host === "[::1]" || /^127(\.\d+){3}$/.test(host);
}
