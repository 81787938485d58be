// SPDX-License-Identifier: Apache-2.0

import Core
import JSON

/// What came of a turn.
struct TurnAnswer: Sendable {
    var threadID: String
    var messageID: String
    var content: String
    /// The model's own words for why it does not answer.
    var refusal: String?
    /// The provider's figures; `nil` if it gave none.
    var usage: ModelUsage?
    /// Programs that were run for it (`precontext`); of an answer that was given before, nothing is known of them.
    var runs: [JSONValue] = []
    /// Whether question and answer stand in the tenant's store.
    var isStored: Bool
    /// The answer's place in its thread, where it is stored.
    var sequence: Int?

    /// A turn that was answered before: this time no model was asked.
    static let nothingUsed = ModelUsage(inputTokens: 0, outputTokens: 0, cost: 0)

    var json: JSONObject {
        var json: JSONObject = [
            "object": "turn", "thread_id": .string(threadID),
            "message": ["id": .string(messageID), "role": "assistant", "content": .string(content)],
            "usage": usage.map { .object($0.json) } ?? .null, "stored": .bool(isStored),
        ]
        if !runs.isEmpty { json.append("precontext", .array(runs)) }
        if let refusal { json.append("refusal", .string(refusal)) }
        return json
    }
}

extension ModelUsage {
    var json: JSONObject {
        [
            "input_tokens": .int(inputTokens), "output_tokens": .int(outputTokens),
            "cost": cost.map { .string(NanoDollars.text($0)) } ?? .null,
        ]
    }
}

/// The frames of a streamed turn: pieces, the turn as it would have been answered whole, and the mark of the end that
/// OpenAI's clients know. A failure takes the place of the turn.
enum TurnFrames {
    static func piece(_ piece: ModelPiece) -> [UInt8] {
        let delta: JSONObject =
            switch piece {
            case .text(let text): ["content": .string(text)]
            case .refusal(let text): ["refusal": .string(text)]
            }
        return frame(JSONValue.object(["object": "turn.delta", "delta": .object(delta)]).serialized())
    }

    static func end(_ answer: TurnAnswer) -> [UInt8] {
        frame(JSONValue.object(answer.json).serialized()) + done
    }

    static func end(_ failure: Failure, requestID: String) -> [UInt8] {
        frame(failure.body(in: .house, requestID: requestID)) + done
    }

    private static let done = Array("data: [DONE]\n\n".utf8)

    private static func frame(_ data: [UInt8]) -> [UInt8] { Array("data: ".utf8) + data + [0x0A, 0x0A] }
}
