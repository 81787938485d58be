// SPDX-License-Identifier: Apache-2.0

package import JSON

/// What the stages of an exchange must know of a body before anything is done with it, read from the index without a tree:
/// by whom it is asked, and how large it can become. Ask after the field table, which has checked the shapes.
package struct RequestFacts: Equatable, Sendable {
    /// The end user, as the body names them.
    package let user: String?
    /// Most output tokens of one choice, if the client set a limit.
    package let outputTokensMax: Int?
    /// Answers that are asked for: at least 1, and saturated.
    package let choices: Int
    /// The body's bytes without those of `media`: since a token has at least one byte, and the frame a provider puts around
    /// a turn fewer tokens than JSON has bytes around it, an upper bound of the input's tokens beside the media.
    package let inputBytes: Int
    package let media: MediaCount
    package let hasTools: Bool

    package init(_ document: JSONDocument, _ route: ModelRoute) {
        self = document.read { view in RequestFacts(view, CallPlaces(view), route) }
    }

    /// The same of a call, which knows the places of some members.
    init(_ call: ModelCall) {
        self = call.document.read { view in RequestFacts(view, call.places, call.route) }
    }

    private init(_ view: JSONView, _ places: CallPlaces, _ route: ModelRoute) {
        let said = view.values(of: Said.names, in: 0)
        func place(_ name: Said) -> Int? { said[name.rawValue] > 0 ? Int(said[name.rawValue]) : nil }
        func int(_ name: Said) -> Int? { place(name).flatMap { view.int($0) } }
        func int(at place: Int) -> Int? { place > 0 ? view.int(place) : nil }
        func string(_ name: Said) -> String? { place(name).flatMap { view.string($0) } }
        user =
            route.isAnthropic
            ? place(.metadata).flatMap { view.value(of: Self.userID, in: $0) }.flatMap { view.string($0) }
            : string(.user) ?? string(.safetyIdentifier)
        outputTokensMax =
            switch route {
            // Of two names for one thing the larger: which of them the provider reads is its own affair.
            case .chat:
                int(at: places.completionTokensMax).map { max($0, int(at: places.tokensMax) ?? $0) }
                    ?? int(at: places.tokensMax)
            case .completions, .messages: int(at: places.tokensMax)
            case .responses: int(at: places.outputTokensMax)
            case .embeddings, .countTokens: 0
            }
        // Each prompt of a legacy completion has its own choices.
        let prompts = route == .completions ? place(.prompt).map { Self.prompts(view, $0) } ?? 1 : 1
        let (product, isOverflowing) = max(int(.n) ?? 1, 1).multipliedReportingOverflow(by: prompts)
        choices = isOverflowing ? .max : product
        var media = MediaCount()
        for list in Said.withMedia where said[list] > 0 { media.add(view, Int(said[list])) }
        self.media = media
        inputBytes = view.text.count - media.bytes
        hasTools = places.tools > 0 && view.count(of: places.tools) > 0
    }

    /// Members that are looked up together, by their place among `names`; beside those that a call has looked up already.
    private enum Said: Int {
        case messages, input, system, user, safetyIdentifier, metadata, n, prompt

        static let names = MemberNames(
            "messages", "input", "system", "user", "safety_identifier", "metadata", "n", "prompt")
        static let withMedia = messages.rawValue...system.rawValue
    }

    private static let userID = JSONWord("user_id")

    private static func prompts(_ view: JSONView, _ list: Int) -> Int {
        guard view.kind(of: list) == .array, view.count(of: list) > 0 else { return 1 }
        return view.kind(of: list + 1) == .number ? 1 : view.count(of: list)
    }
}

/// Images, sounds and documents of a request, whose cost is not one of bytes.
package struct MediaCount: Equatable, Sendable {
    package private(set) var images = 0
    package private(set) var sounds = 0
    package private(set) var documents = 0
    /// Bytes of the body that are these media's own.
    package private(set) var bytes = 0

    package init() {}

    /// Counts the media in a part of a body. Bounded by the depth of the document.
    mutating func add(_ view: JSONView, _ place: Int) {
        let end = view.end(of: place)
        var next = place + 1
        switch view.kind(of: place) {
        case .array:
            while next < end {
                add(view, next)
                next = view.end(of: next)
            }
        case .object:
            guard !addPart(view, place) else { return }
            // A value stands behind its name.
            while next < end {
                add(view, next + 1)
                next = view.end(of: next + 1)
            }
        default: break
        }
    }

    /// Whether the object is a part that holds media.
    private mutating func addPart(_ view: JSONView, _ part: Int) -> Bool {
        guard let type = view.value(of: Words.type, in: part) else { return false }
        func says(_ word: JSONWord) -> Bool { view.string(type, says: word) }
        func value(_ name: JSONWord, within outer: JSONWord) -> Int? {
            view.value(of: outer, in: part).flatMap { view.value(of: name, in: $0) }
        }
        // Text is what nearly all parts are.
        if says(Words.text) { return false }
        if says(Words.imageURL) || says(Words.videoURL) || says(Words.inputImage) {
            images += 1
            let name = says(Words.imageURL) ? Words.imageURL : says(Words.videoURL) ? Words.videoURL : Words.inputImage
            addBytes(view, value(Words.url, within: name) ?? view.value(of: Words.imageURL, in: part))
        } else if says(Words.inputAudio) || says(Words.audioURL) {
            sounds += 1
            let name = says(Words.inputAudio) ? Words.inputAudio : Words.audioURL
            addBytes(view, value(Words.data, within: name) ?? value(Words.url, within: name))
        } else if says(Words.file) || says(Words.inputFile) {
            documents += 1
            addBytes(
                view,
                value(Words.fileData, within: Words.file) ?? view.value(of: Words.fileData, in: part)
                    ?? view.value(of: Words.fileURL, in: part))
        } else if says(Words.image) || says(Words.document) {
            guard let source = view.value(of: Words.source, in: part) else { return false }
            // A document given as text or blocks is text, and counted as such.
            if let kind = view.value(of: Words.type, in: source),
                view.string(kind, says: Words.text) || view.string(kind, says: Words.content)
            {
                add(view, source)
                return true
            }
            if says(Words.image) { images += 1 } else { documents += 1 }
            addBytes(view, view.value(of: Words.data, in: source) ?? view.value(of: Words.url, in: source))
        } else {
            return false
        }
        return true
    }

    private mutating func addBytes(_ view: JSONView, _ place: Int?) {
        if let place { bytes += view.range(of: place).count }
    }

    private enum Words {
        static let type = JSONWord("type")
        static let text = JSONWord("text")
        static let content = JSONWord("content")
        static let source = JSONWord("source")
        static let data = JSONWord("data")
        static let url = JSONWord("url")
        static let image = JSONWord("image")
        static let imageURL = JSONWord("image_url")
        static let inputImage = JSONWord("input_image")
        static let videoURL = JSONWord("video_url")
        static let audioURL = JSONWord("audio_url")
        static let inputAudio = JSONWord("input_audio")
        static let file = JSONWord("file")
        static let inputFile = JSONWord("input_file")
        static let fileData = JSONWord("file_data")
        static let fileURL = JSONWord("file_url")
        static let document = JSONWord("document")
    }
}
