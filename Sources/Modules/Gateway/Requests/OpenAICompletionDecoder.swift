// SPDX-License-Identifier: Apache-2.0

package import JSON

/// Reads the body of `POST /v1/completions` where its provider has no such route: the prompt becomes a user's turn.
package enum OpenAICompletionDecoder {
    package static func decode(_ root: JSONNode) throws(Fault) -> ChatRequest {
        var request = ChatRequest(model: root["model"]?.string ?? "")
        guard let prompt = root["prompt"]?.string ?? root["prompt"]?[0]?.string else {
            throw .invalid("prompt", "Must be one text for this model's provider.")
        }
        request.messages = [ChatMessage(.user, text: prompt, path: "prompt")]
        OpenAISettings.read(root, into: &request)
        request.outputTokensMax = root["max_tokens"]?.int
        return request
    }
}
