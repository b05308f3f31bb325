package com.example;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.Durations;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.QuotaFailure;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.math.BigDecimal;
import java.util.Objects;
import java.util.TreeMap;

/** What a failed call tells about itself; a detail that it does not carry is empty. */
record Failure(
    Status status, ErrorInfo info, BadRequest bad, QuotaFailure quota, RetryInfo retry) {

  /** Reads the rich details of an error. */
  static Failure decode(Throwable error) {
    com.google.rpc.Status details = StatusProto.fromThrowable(error);
    if (details == null) {
      details = com.google.rpc.Status.getDefaultInstance();
    }
    return new Failure(
        Status.fromThrowable(error),
        first(details, ErrorInfo.getDefaultInstance()),
        first(details, BadRequest.getDefaultInstance()),
        first(details, QuotaFailure.getDefaultInstance()),
        first(details, RetryInfo.getDefaultInstance()));
  }

  /** A name of ErrorReason without its prefix; empty if it is not the server's. */
  String reason() {
    return info.getReason();
  }

  Duration retryAfter() {
    return retry.getRetryDelay();
  }

  @Override
  public String toString() {
    String reason = reason().isEmpty() ? "" : " " + reason();
    String message = Objects.requireNonNullElse(status.getDescription(), "");
    StringBuilder text = new StringBuilder();
    text.append(status.getCode()).append(reason).append(": ").append(message);
    for (BadRequest.FieldViolation one : bad.getFieldViolationsList()) {
      text.append("\n  ").append(one.getField()).append(": ").append(one.getDescription());
    }
    for (QuotaFailure.Violation one : quota.getViolationsList()) {
      text.append("\n  ").append(one.getSubject()).append(": ").append(one.getDescription());
    }
    new TreeMap<>(info.getMetadataMap())
        .forEach((name, value) -> text.append("\n  ").append(name).append(" = ").append(value));
    if (Durations.isPositive(retryAfter())) {
      BigDecimal seconds = BigDecimal.valueOf(Durations.toMillis(retryAfter()), 3);
      String plain = seconds.stripTrailingZeros().toPlainString();
      text.append("\n  retry after ").append(plain).append(" s");
    }
    return text.toString();
  }

  @SuppressWarnings("unchecked") // unpack gives the class that it was asked for
  private static <T extends Message> T first(com.google.rpc.Status details, T kind) {
    for (Any detail : details.getDetailsList()) {
      if (detail.is(kind.getClass())) {
        try {
          return (T) detail.unpack(kind.getClass());
        } catch (InvalidProtocolBufferException cut) {
          continue; // a proxy may cut trailers; the plain status must survive that
        }
      }
    }
    return kind;
  }
}
