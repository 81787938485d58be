// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// Errors as API.md writes them, for whole answers and for the ends of streams.
package enum FaultBody {
    /// `{"error":{"message","type","code","param","request_id"}}`, all keys always.
    package static func openAI(_ fault: Fault, requestID: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.object("error") { writer in
                writer.member("message", fault.message)
                writer.member("type", fault.code.type)
                writer.member("code", fault.code.rawValue)
                writer.member("param", fault.param.map(JSONValue.string) ?? .null)
                writer.member("request_id", requestID)
            }
        }
        return writer.bytes
    }

    /// `{"type":"error","error":{"type","message"},"request_id"}`. Anthropic's shape has no place for a member's path: it
    /// is said in the message, as Anthropic does.
    package static func anthropic(_ fault: Fault, requestID: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("type", "error")
            writer.object("error") { writer in
                writer.member("type", fault.code.anthropicType)
                writer.member("message", fault.param.map { "\($0): \(fault.message)" } ?? fault.message)
            }
            writer.member("request_id", requestID)
        }
        return writer.bytes
    }

    /// The last events of a stream that fails, in the shape of its route.
    package static func streamEnd(_ fault: Fault, requestID: String, isAnthropic: Bool) -> [UInt8] {
        isAnthropic
            ? EventText.event("error", anthropic(fault, requestID: requestID))
            : EventText.data(openAI(fault, requestID: requestID)) + EventText.done
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
