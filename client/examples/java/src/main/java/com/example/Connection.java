package com.example;

import com.google.gson.Gson;
import io.grpc.ChannelCredentials;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.stub.MetadataUtils;
import java.io.File;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** How a channel is opened: TLS, the token, keepalive, the retry policy. */
final class Connection {
  static final long DEADLINE_SECONDS = 30;

  // Only UNAVAILABLE is tried again: the server promises that nothing was accepted then.
  private static final String SERVICE_CONFIG =
      """
      {
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
      }
      """;

  private Connection() {}

  /** Opens a channel. authorities is a PEM file, "system", or empty for plaintext. */
  @SuppressWarnings("unchecked") // a JSON object has text as keys
  static ManagedChannel open(String target, String authorities, String token)
      throws IOException {
    if (authorities.isEmpty() && !token.isEmpty() && !isLoopback(target)) {
      throw new IOException("refusing to send the token in clear text to " + target);
    }
    Metadata headers = new Metadata();
    if (!token.isEmpty()) {
      Metadata.Key<String> key =
          Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
      headers.put(key, "Bearer " + token);
    }
    return Grpc.newChannelBuilder(target, credentials(authorities))
        .defaultServiceConfig(new Gson().fromJson(SERVICE_CONFIG, Map.class))
        .enableRetry()
        .keepAliveTime(60, TimeUnit.SECONDS)
        .keepAliveTimeout(20, TimeUnit.SECONDS)
        .intercept(MetadataUtils.newAttachHeadersInterceptor(headers))
        .build();
  }

  private static ChannelCredentials credentials(String authorities) throws IOException {
    return switch (authorities) {
      case "" -> InsecureChannelCredentials.create();
      case "system" -> TlsChannelCredentials.create();
      default ->
          TlsChannelCredentials.newBuilder().trustManager(new File(authorities)).build();
    };
  }

  private static boolean isLoopback(String target) {
    String host = target.replaceFirst(":\\d+$", "");
    return host.equals("localhost")
        || host.equals("[::1]")
        || host.matches("127(\\.\\d+){3}");
  }
}
