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

/** The texts of a connection's statements, by the names that the client gave them. */
export class StatementTexts {
  readonly #texts = new Map<string, string>()

  /** The text that this frame asks to be executed, or undefined when it executes nothing. */
  executedBy(frame: Frame): string | undefined {
    if (frame.type === CLIENT.query) return textAt(frame.bytes, 5).text
    if (frame.type === CLIENT.parse) {
      const name = textAt(frame.bytes, 5)
      this.#texts.set(name.text, textAt(frame.bytes, name.end).text)
      return undefined
    }
    if (frame.type !== CLIENT.bind) return undefined
    const portal = textAt(frame.bytes, 5)
    return this.#texts.get(textAt(frame.bytes, portal.end).text) ?? ''
  }
}

function textAt(bytes: Buffer, start: number): { readonly text: string; readonly end: number } {
  const zero = bytes.indexOf(0, start)
  const end = zero === -1 ? bytes.length : zero
  return { text: bytes.toString('utf8', start, end), end: end + 1 }
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
