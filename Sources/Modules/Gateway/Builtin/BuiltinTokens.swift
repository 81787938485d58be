// SPDX-License-Identifier: Apache-2.0

/// The tokens of the built-in model: words with the space in front of them, long ones cut, so that the joined pieces are
/// the text.
enum BuiltinTokens {
    /// The longest piece, in characters.
    static let pieceMax = 8
    /// Tokens that a turn costs beside its text.
    static let perTurn = 3

    /// Cuts a text into tokens. No character is divided. What is behind the first `max` tokens is left out.
    static func pieces(of text: String, max: Int = .max) -> [String] {
        var pieces: [String] = []
        var piece = ""
        var length = 0
        for character in text {
            let startsWord = character.isWhitespace && !(piece.last?.isWhitespace ?? true)
            if startsWord || length == pieceMax {
                pieces.append(piece)
                if pieces.count >= max { return pieces }
                piece = ""
                length = 0
            }
            piece.append(character)
            length += 1
        }
        if !piece.isEmpty { pieces.append(piece) }
        return pieces
    }

    /// How many tokens a text has.
    static func count(_ text: String) -> Int {
        pieces(of: text).count
    }

    /// How many tokens a conversation has, tools included.
    static func input(of request: ChatRequest) -> Int {
        let turns = request.messages.reduce(0) { $0 + perTurn + count($1.parts) }
        return turns + request.tools.reduce(0) { $0 + perTurn + count($1.name) + count($1.description ?? "") }
    }

    private static func count(_ parts: [ChatPart]) -> Int {
        parts.reduce(0) { sum, part in
            switch part {
            case .text(let text), .refusal(let text), .thinking(let text, _): sum + count(text)
            case .toolUse(let use): sum + count(use.name) + count(use.arguments)
            case .toolResult(let result): sum + count(result.content)
            // A fixed figure: it does not look at them.
            case .image, .document, .audio, .redactedThinking: sum + 16
            }
        }
    }
}
