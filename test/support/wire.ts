// The PostgreSQL wire protocol as far as a proxy needs it: frames of both directions, what a client's frames ask
// for, and answers made up by the proxy. Knows no TLS: a connection through it must be plain.

/** One message: its type byte (0 for the untyped start of a connection) and all its bytes. */
export interface Frame {
  readonly type: number
  readonly bytes: Buffer
}

/** Cuts a stream into frames; what is not complete yet waits for the next bytes. */
export class Frames {
  #rest: Buffer = Buffer.alloc(0)
  #isTyped: boolean

  /** A client begins with a frame without a type. */
  constructor(options: { readonly isTyped: boolean }) {
    this.#isTyped = options.isTyped
  }

  take(bytes: Buffer): Frame[] {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    const frames: Frame[] = []
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame)
    return frames
  }

  #next(): Frame | undefined {
    const head = this.#isTyped ? 1 : 0
    if (this.#rest.length < head + 4) return undefined
    const length = head + this.#rest.readUInt32BE(head)
    if (this.#rest.length < length) return undefined
    const bytes = this.#rest.subarray(0, length)
    this.#rest = this.#rest.subarray(length)
    const type = this.#isTyped ? (bytes[0] ?? 0) : 0
    // After the start every frame has a type; a request for TLS is refused and the start follows.
    if (!this.#isTyped && !isTlsRequest(bytes)) this.#isTyped = true
    return { type, bytes }
  }
}

export function isTlsRequest(bytes: Buffer): boolean {
  return bytes.length === 8 && bytes.readUInt32BE(4) === 80_877_103
}

export const CLIENT = { query: 0x51, parse: 0x50, bind: 0x42, sync: 0x53, close: 0x43 } as const
export const SERVER = { ready: 0x5a, error: 0x45, complete: 0x43 } as const

/** A statement about to be executed. */
export interface Statement {
  readonly text: string
  /** Those sent as texts, as this driver sends all of them. */
  readonly parameters: readonly (string | null)[]
}

/** The texts of a connection's statements, by the names that the client gave them. */
export class StatementTexts {
  readonly #texts = new Map<string, string>()

  /** What this frame asks to be executed, or undefined when it executes nothing. */
  executedBy(frame: Frame): Statement | undefined {
    const reader = new Reader(frame.bytes)
    if (frame.type === CLIENT.query) return { text: reader.text(), parameters: [] }
    if (frame.type === CLIENT.parse) {
      const name = reader.text()
      this.#texts.set(name, reader.text())
      return undefined
    }
    if (frame.type !== CLIENT.bind) return undefined
    reader.text()
    const name = reader.text()
    return { text: this.#texts.get(name) ?? '', parameters: reader.parameters() }
  }
}

/** Reads the body of a typed frame from its beginning. */
class Reader {
  readonly #bytes: Buffer
  #at = 5

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  text(): string {
    const zero = this.#bytes.indexOf(0, this.#at)
    const end = zero === -1 ? this.#bytes.length : zero
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  parameters(): (string | null)[] {
    const formats = this.#bytes.readInt16BE(this.#at)
    this.#at += 2 + 2 * formats
    const count = this.#bytes.readInt16BE(this.#at)
    this.#at += 2
    return Array.from({ length: count }, () => this.#parameter())
  }

  #parameter(): string | null {
    const length = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    if (length === -1) return null
    const start = this.#at
    this.#at += length
    return this.#bytes.toString('utf8', start, this.#at)
  }
}

/** SQLSTATE of an ErrorResponse. */
export function stateOf(frame: Frame): string {
  const fields = frame.bytes.toString('utf8', 5).split('\0')
  return fields.find((field) => field.startsWith('C'))?.slice(1) ?? ''
}

export function errorResponse(options: { readonly code: string; readonly severity: string }): Buffer {
  const fields = [
    `S${options.severity}`,
    `V${options.severity}`,
    `C${options.code}`,
    `Minjected by the proxy of the tests: ${options.code}`,
  ]
  return message(SERVER.error, Buffer.from(`${fields.join('\0')}\0\0`))
}

export function simpleQuery(text: string): Buffer {
  return message(CLIENT.query, Buffer.from(`${text}\0`))
}

/** `I` idle, `T` in a transaction, `E` in one that failed. */
export function readyForQuery(status: string): Buffer {
  return message(SERVER.ready, Buffer.from(status))
}

function message(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(type, 0)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
