// SPDX-License-Identifier: Apache-2.0

import Core

/// Errors in the shapes of the two protocols, for whole answers and for the ends of streams. The bodies are Core's, so that an error of
/// the gateway and one of the front door cannot come to look different.
package enum FaultBody {
    /// `{"error":{"message","type","code","param","request_id"}}`, all keys always.
    package static func openAI(_ fault: Fault, requestID: String) -> [UInt8] {
        Failure(fault).body(in: .house, requestID: requestID)
    }

    /// `{"type":"error","error":{"type","message"},"request_id"}`.
    package static func anthropic(_ fault: Fault, requestID: String) -> [UInt8] {
        Failure(fault).body(in: .anthropic, requestID: requestID)
    }

    /// The last events of a stream that fails, in the shape of its route.
    package static func streamEnd(_ fault: Fault, requestID: String, isAnthropic: Bool) -> [UInt8] {
        isAnthropic
            ? EventText.event("error", anthropic(fault, requestID: requestID))
            : EventText.data(openAI(fault, requestID: requestID)) + EventText.done
    }
}

extension Failure {
    /// A fault of the gateway as the front door renders it.
    init(_ fault: Fault) {
        self.init(fault.code, fault.message, param: fault.param, cause: fault.cause)
        retryAfter = fault.retryAfterMilliseconds.map { .milliseconds($0) }
        if cause == nil, let status = fault.upstreamStatus { cause = "the provider answered \(status)" }
    }
}

/// Server-sent events as text. The data is JSON, so it holds no line break.
enum EventText {
    static let done = Array("data: [DONE]\n\n".utf8)

    static func data(_ json: [UInt8]) -> [UInt8] {
        Array("data: ".utf8) + json + [0x0A, 0x0A]
    }

    /// Data that may hold line breaks: each line is a field of its own.
    static func lines(_ json: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in json.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            bytes += Array("data: ".utf8) + line + [0x0A]
        }
        return bytes + [0x0A]
    }

    static func event(_ name: String, _ json: [UInt8]) -> [UInt8] {
        Array("event: \(name)\ndata: ".utf8) + json + [0x0A, 0x0A]
    }
}
