// SPDX-License-Identifier: Apache-2.0

import Core

/// How much of a conversation a model is told: the node's prompt always, then as many of the last messages as there is room
/// for, then what is said now.
struct ContextWindow: Equatable, Sendable {
    let messagesMax: Int
    let bytesMax: Int

    init(messagesMax: Int = ChatLimits.contextMessagesMax, bytesMax: Int = ChatLimits.contextBytesMax) {
        self.messagesMax = min(messagesMax, ChatLimits.contextMessagesMax)
        self.bytesMax = min(bytesMax, ChatLimits.contextBytesMax)
    }

    /// - Parameter limits: what the node's owner wants at most.
    init(_ limits: NodeLimits) {
        self.init(messagesMax: limits.contextMessages ?? ChatLimits.contextMessagesMax)
    }

    /// What the model is sent.
    func turns(prompt: String?, earlier: [ModelTurn], content: String) -> [ModelTurn] {
        var turns: [ModelTurn] = []
        if let prompt, !prompt.isEmpty { turns.append(ModelTurn(.system, prompt)) }
        turns += kept(of: earlier)
        turns.append(ModelTurn(.user, content))
        return turns
    }

    /// The last messages that fit.
    ///
    /// An answer whose question had to be left out goes as well: protocols want a conversation to begin with its user.
    func kept(of earlier: [ModelTurn]) -> ArraySlice<ModelTurn> {
        earlier[start(of: earlier.lazy.map(\.text.utf8.count))...].drop { $0.role == .assistant }
    }

    /// Where the last messages that fit begin, from the bytes of each.
    func start(of bytes: some BidirectionalCollection<Int>) -> Int {
        var count = 0
        var total = 0
        for size in bytes.reversed() {
            guard count < messagesMax, size <= bytesMax - total else { break }
            count += 1
            total += size
        }
        return bytes.count - count
    }
}
