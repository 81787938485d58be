// SPDX-License-Identifier: Apache-2.0

/// What a writer must know that no provider says.
package struct AnswerContext: Equatable, Sendable {
    /// The request's id (`req_…`), named in errors.
    package var requestID: String
    /// The identifying part of the answer's ids, which get their protocol's prefix: letters and digits.
    package var answerID: String
    /// The model's name where the provider gives none.
    package var model: String
    /// Unix seconds, where the provider gives none.
    package var created: Int

    package init(requestID: String, answerID: String, model: String, created: Int) {
        self.requestID = requestID
        self.answerID = answerID
        self.model = model
        self.created = created
    }

    /// The head of an answer with its gaps filled.
    func filled(_ head: AnswerHead?) -> AnswerHead {
        AnswerHead(
            id: answerID, model: head.flatMap { $0.model.isEmpty ? nil : $0.model } ?? model,
            created: head.flatMap { $0.created > 0 ? $0.created : nil } ?? created, fingerprint: head?.fingerprint)
    }
}
