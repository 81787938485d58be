// SPDX-License-Identifier: Apache-2.0

import Core

/// Usage in `/metrics`: names and labels of OpenTelemetry's conventions for generative AI
/// (opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics), in Prometheus' spelling.
enum UsageMetrics {
    static func write(_ totals: UsageTotals, to text: inout MetricsText) {
        let series = totals.sums.sorted { ($0.key.model, $0.key.provider) < ($1.key.model, $1.key.provider) }
            .map { (labels: labels($0.key), sums: $0.value) }
        text.family("gatehouse_requests_total", .counter, "Exchanges by how they ended, since the start.")
        for (labels, sums) in series {
            let answered = sums.requests - sums.refusals - sums.errors - sums.abandoned
            let ends = [
                ("answered", answered), ("refused", sums.refusals), ("failed", sums.errors),
                ("abandoned", sums.abandoned),
            ]
            for (end, count) in ends {
                text.sample("gatehouse_requests_total", labels + [("outcome", end)], max(count, 0))
            }
        }
        text.family("gen_ai_client_token_usage_total", .counter, "Tokens that providers counted, since the start.")
        for (labels, sums) in series where !sums.latency.isEmpty {
            text.sample("gen_ai_client_token_usage_total", labels + [("gen_ai_token_type", "input")], sums.inputTokens)
            text.sample(
                "gen_ai_client_token_usage_total", labels + [("gen_ai_token_type", "output")], sums.outputTokens)
        }
        text.family("gatehouse_cost_dollars_total", .counter, "What priced exchanges cost, since the start.")
        for (labels, sums) in series where !sums.latency.isEmpty {
            text.sample("gatehouse_cost_dollars_total", labels, decimal: NanoDollars.text(sums.cost))
        }
        text.family("gen_ai_server_request_duration_seconds", .histogram, "From a request's arrival to its last byte.")
        for (labels, sums) in series where !sums.latency.isEmpty {
            write(sums.latency, "gen_ai_server_request_duration_seconds", labels, bounds: durations, &text)
        }
        text.family(
            "gen_ai_server_time_to_first_token_seconds", .histogram, "From a request's arrival to its first byte.")
        for (labels, sums) in series where !sums.firstByte.isEmpty {
            write(sums.firstByte, "gen_ai_server_time_to_first_token_seconds", labels, bounds: firstBytes, &text)
        }
    }

    /// Bounds in milliseconds, those that the conventions advise.
    private static let durations = [
        10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_120, 10_240, 20_480, 40_960, 81_920,
    ]
    private static let firstBytes = [
        1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1_000, 2_500, 5_000, 7_500, 10_000,
    ]

    private static func labels(_ series: UsageTotals.Series) -> [MetricsText.Label] {
        [("gen_ai_provider_name", series.provider), ("gen_ai_request_model", series.model)]
    }

    private static func write(
        _ histogram: LatencyHistogram, _ name: StaticString, _ labels: [MetricsText.Label], bounds: [Int],
        _ text: inout MetricsText
    ) {
        text.histogram(
            name, labels, buckets: bounds.map { (seconds($0), histogram.count(upTo: $0)) },
            sum: seconds(histogram.milliseconds), count: histogram.count)
    }

    /// Milliseconds as seconds, exact.
    private static func seconds(_ milliseconds: Int) -> String {
        let rest = String(1_000 + milliseconds % 1_000).dropFirst()
        return "\(milliseconds / 1_000).\(rest)"
    }
}
