// Counts what this process says to databases and hears from them: statements (each is one Execute or Query message of
// PostgreSQL's protocol) and bytes. At the sockets, so that it counts the same on PostgreSQL and CockroachDB, whatever the
// driver does, and with no relay in between that would slow down what is measured.

import { Socket } from 'node:net'

export interface Counts {
  readonly statements: number
  readonly bytes: number
  /** Statements of each tenth of a second, by the wall clock: the same for all processes of a machine. */
  readonly tenths: readonly (readonly [tenth: number, statements: number])[]
}

const TENTH_MS = 100
/** Ten minutes. */
const TENTHS_MAX = 6_000

/** Counts from now on all sockets that are opened later; call it before any is. */
export function meterSockets(): () => Counts {
  // Called with the socket, below.
  // oxlint-disable-next-line typescript/unbound-method
  const write = Socket.prototype.write
  const counters = new Map<Socket, StatementCounter>()
  const tenths = new Map<number, number>()
  let statements = 0
  let sent = 0
  let received = 0
  const count = (socket: Socket, chunk: unknown): void => {
    if (!Buffer.isBuffer(chunk)) return
    let counter = counters.get(socket)
    if (counter === undefined) {
      counters.set(socket, (counter = new StatementCounter()))
      socket.once('close', () => {
        counters.delete(socket)
        received += socket.bytesRead
      })
    }
    sent += chunk.length
    const some = counter.take(chunk)
    if (some === 0) return
    statements += some
    const tenth = Math.floor(Date.now() / TENTH_MS)
    tenths.set(tenth, (tenths.get(tenth) ?? 0) + some)
    const [oldest] = tenths.keys()
    if (tenths.size > TENTHS_MAX && oldest !== undefined) tenths.delete(oldest)
  }
  Object.assign(Socket.prototype, {
    write(this: Socket, ...parameters: Parameters<typeof write>) {
      count(this, parameters[0])
      return Reflect.apply(write, this, parameters)
    },
  })
  return () => ({
    statements,
    bytes: [...counters.keys()].reduce((sum, socket) => sum + socket.bytesRead, sent + received),
    tenths: [...tenths],
  })
}

const EXECUTE = 'E'.charCodeAt(0)
const QUERY = 'Q'.charCodeAt(0)

/** Walks the messages of one client: a type and a length each, but for the first, which has no type. */
class StatementCounter {
  #head = Buffer.alloc(0)
  #isFirst = true
  #toSkip = 0

  take(chunk: Buffer): number {
    let statements = 0
    let rest = chunk
    while (rest.length > 0) {
      if (this.#toSkip > 0) {
        const skipped = Math.min(this.#toSkip, rest.length)
        this.#toSkip -= skipped
        rest = rest.subarray(skipped)
        continue
      }
      const headLength = this.#isFirst ? 4 : 5
      const wanted = headLength - this.#head.length
      this.#head = Buffer.concat([this.#head, rest.subarray(0, wanted)])
      rest = rest.subarray(wanted)
      if (this.#head.length < headLength) return statements
      const type = this.#isFirst ? 0 : this.#head[0]
      if (type === EXECUTE || type === QUERY) statements++
      this.#toSkip = this.#head.readInt32BE(headLength - 4) - 4
      this.#head = Buffer.alloc(0)
      this.#isFirst = false
    }
    return statements
  }
}
