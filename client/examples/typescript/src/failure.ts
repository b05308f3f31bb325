// What a failed call tells about itself.
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs } from "@bufbuild/protobuf/wkt";
import { status, type ServiceError } from "@grpc/grpc-js";
import {
  BadRequestSchema, ErrorInfoSchema, QuotaFailureSchema, RetryInfoSchema, StatusSchema,
  type BadRequest_FieldViolation, type QuotaFailure_Violation,
} from "./gen/google/rpc/errors_pb.js";

export interface Failure {
  code: status;
  message: string;
  /** A name of ErrorReason without its prefix; empty if it is not the server's. */
  reason: string;
  metadata: Record<string, string>;
  violations: BadRequest_FieldViolation[];
  quotas: QuotaFailure_Violation[];
  retryAfterMs: number;
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "metadata" in error;
}

/** Reads the rich details of an error. */
export function decode(error: ServiceError): Failure {
  const found: Failure = {
    code: error.code, message: error.details, reason: "", metadata: {}, violations: [],
    quotas: [], retryAfterMs: 0,
  };
  const [packed] = error.metadata.get("grpc-status-details-bin");
  if (!(packed instanceof Buffer)) return found;
  for (const detail of fromBinary(StatusSchema, packed).details) {
    const info = anyUnpack(detail, ErrorInfoSchema);
    if (info) Object.assign(found, { reason: info.reason, metadata: info.metadata });
    const bad = anyUnpack(detail, BadRequestSchema);
    if (bad) found.violations = bad.fieldViolations;
    const quota = anyUnpack(detail, QuotaFailureSchema);
    if (quota) found.quotas = quota.violations;
    const retry = anyUnpack(detail, RetryInfoSchema);
    if (retry?.retryDelay) found.retryAfterMs = durationMs(retry.retryDelay);
  }
  return found;
}

export function describe(failure: Failure): string {
  const reason = failure.reason && ` ${failure.reason}`;
  const lines = [`${status[failure.code]}${reason}: ${failure.message}`];
  for (const one of failure.violations) lines.push(`  ${one.field}: ${one.description}`);
  for (const one of failure.quotas) lines.push(`  ${one.subject}: ${one.description}`);
  for (const name of Object.keys(failure.metadata).sort()) {
    lines.push(`  ${name} = ${failure.metadata[name]}`);
  }
  if (failure.retryAfterMs > 0) {
    lines.push(`  retry after ${failure.retryAfterMs / 1000} s`);
  }
  return lines.join("\n");
}
