// SPDX-License-Identifier: Apache-2.0

package import Core
package import JSON

/// Who answers behind a model: what it is spoken to in, and which fields it knows.
package enum ProviderKind: String, CaseIterable, Sendable {
    /// OpenAI's API or any server compatible with it (vLLM, llama.cpp, OpenRouter, LiteLLM…).
    case openai
    case anthropic
    /// The deterministic model inside this binary.
    case builtin
}

/// What a value of a request may be.
package indirect enum Shape: Sendable {
    /// Any value at all.
    case any
    case bool
    case integer(ClosedRange<Int>)
    case number(ClosedRange<Double>)
    /// A string of so many bytes of UTF-8.
    case string(ClosedRange<Int>)
    /// One of these strings.
    case choice([String])
    /// An address of an image or document: `https`, `http` or `data`, and not on a private network (`MediaAddress`).
    case address
    /// Base64, or an address as above.
    case fileData
    /// So many elements, each of that shape.
    case array(Shape, ClosedRange<Int>)
    /// An object with these members and no others.
    case object([Field])
    /// An object with so many members of any name, each of that shape.
    case map(Shape, ClosedRange<Int>)
    /// An object that is handed on unread: a JSON Schema, template arguments.
    case free
    /// The first of these whose JSON kind the value has.
    case either([Shape])
    /// An object whose member `by` says which of these it is; `or` counts where it has none.
    case tagged(by: String, or: String?, [Tag])
}

/// A row of a field table: a member of an object, its shape, and what it means for each kind of provider. A class, since
/// each check passes many of them by.
package final class Field: Sendable {
    package let name: String
    package let shape: Shape
    /// Whether the member must be there. Optional members may also be `null`.
    package let isRequired: Bool
    let openai: Treatment
    let anthropic: Treatment
    let builtin: Treatment

    init(
        _ name: String, _ shape: Shape, required: Bool = false, openai: Treatment = .pass,
        anthropic: Treatment = .pass, builtin: Treatment = .pass
    ) {
        self.name = name
        self.shape = shape
        self.isRequired = required
        self.openai = openai
        self.anthropic = anthropic
        self.builtin = builtin
    }

    /// What the field means for a provider of that kind.
    package func treatment(for kind: ProviderKind) -> Treatment {
        switch kind {
        case .openai: openai
        case .anthropic: anthropic
        case .builtin: builtin
        }
    }
}

/// One of the objects a tagged shape may be: the value of its tag, its other members, and for whom it exists.
package final class Tag: Sendable {
    package let name: String
    package let fields: [Field]
    /// Whether decoding such an object may refuse it although the table passes it, or finds a schema in it.
    let isJudged: Bool
    let openai: Treatment
    let anthropic: Treatment
    let builtin: Treatment

    init(
        _ name: String, _ fields: [Field], judged isJudged: Bool = false, openai: Treatment = .pass,
        anthropic: Treatment = .pass, builtin: Treatment = .pass
    ) {
        self.name = name
        self.fields = fields
        self.isJudged = isJudged
        self.openai = openai
        self.anthropic = anthropic
        self.builtin = builtin
    }

    package func treatment(for kind: ProviderKind) -> Treatment {
        switch kind {
        case .openai: openai
        case .anthropic: anthropic
        case .builtin: builtin
        }
    }
}

/// What becomes of a field with one kind of provider.
package enum Treatment: Sendable {
    /// It reaches the provider, as it is or translated.
    case pass
    /// It is accepted, and has no counterpart there: the answer is right without it.
    case hint
    /// It reaches the provider, whose range is narrower.
    case within(Shape)
    /// Only these values, which mean what its absence means; others would change price, model, retention or the answer.
    case only([JSONValue], ErrorCode, String)
    /// It cannot be had, for this reason. The provider's `pass` list may allow it.
    case refused(String)
    /// This kind of provider has no such field. The provider's `pass` list may allow it.
    case unknown

    /// Values without effect are accepted; others are something this provider cannot do.
    static func only(_ values: JSONValue...) -> Treatment {
        .only(values, .invalidParameter, "is not supported by this model's provider")
    }

    /// Values without effect are accepted; others change what the request costs.
    static func unpriced(_ values: JSONValue...) -> Treatment {
        .only(values, .invalidParameter, "would change the price of the request, which is not supported")
    }

    /// Values without effect are accepted; others need the tenant's consent to something being kept.
    static func consent(_ values: JSONValue...) -> Treatment {
        .only(values, .consentRequired, "would keep content, which needs a consent that is not given")
    }
}
