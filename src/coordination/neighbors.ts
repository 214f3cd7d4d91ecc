// Nodes on one machine notice at once when the process of another one ends. Each listens on a Unix socket without a file
// (Linux's abstract names) that is called after its node id; others connect, hear the id, and then nobody speaks. A node
// never closes such a connection while it lives: its end, after the id was heard, comes from the kernel, which closes what
// a process had open when no thread of it is left. So it says for certain that this process does nothing any more, which a
// lost connection to the database, or a silence, never does. Elsewhere, and for a machine that is gone or a process that
// stands still, the lease decides. Only connections that a node made itself count: a name has one owner, while anybody
// may call.

import { createServer, connect, type Server, type Socket } from 'node:net'
import type { Logger } from '../core/ports.js'

/** What a node needs of it; `Neighbors` is the one by sockets. */
export interface NeighborWatch {
  readonly size: number
  listen(nodeId: string): Promise<void>
  visit(nodeIds: readonly string[]): void
  close(): void
}

export interface NeighborsOptions {
  readonly log: Logger
  /** The process of this node has ended, or it has left. */
  readonly onGone: (nodeId: string) => void
}

/** As many as a node looks for: with all watching all, a hundred on one machine would hold ten thousand connections. */
const VISITED_MAX = 8
/** A node that is not on this machine refuses at once; the next look goes on where this one stopped. */
const TRIED_AT_A_TIME = 32
/** Those who call are called back, up to this many. */
const CALLED_BACK_MAX = 4 * VISITED_MAX
const CALLERS_MAX = 1_024
const ID_MAX = 256

export class Neighbors implements NeighborWatch {
  private readonly options: NeighborsOptions
  private selfId = ''
  private server: Server | undefined
  private readonly sockets = new Set<Socket>()
  /** Whom it has looked for, here or not. */
  private readonly visited = new Set<string>()
  /** Who is on this machine, and lives. */
  private readonly present = new Set<string>()

  constructor(options: NeighborsOptions) {
    this.options = options
  }

  /** How many nodes it would hear of. */
  get size(): number {
    return this.present.size
  }

  /** Can be found under this id from now on. Best effort: without it the lease decides. */
  async listen(nodeId: string): Promise<void> {
    this.selfId = nodeId
    this.server?.close()
    this.server = undefined
    if (process.platform !== 'linux') return
    const server = createServer((socket) => this.greet(socket))
    server.unref()
    server.maxConnections = CALLERS_MAX
    await new Promise<void>((resolve) => {
      server.on('error', (error) => {
        this.options.log.warn({ err: error }, 'other nodes of this machine cannot watch this one')
        resolve()
      })
      server.listen({ path: pathOf(nodeId) }, resolve)
    })
    this.server = server
  }

  /** Looks for the next ones in the order of their ids, until it knows enough of this machine. */
  visit(nodeIds: readonly string[]): void {
    const known = new Set(nodeIds)
    for (const nodeId of this.visited) if (!known.has(nodeId)) this.visited.delete(nodeId)
    let tries = TRIED_AT_A_TIME
    for (const nodeId of ringFrom(this.selfId, nodeIds)) {
      if (this.present.size >= VISITED_MAX || tries === 0) return
      if (this.call(nodeId)) tries--
    }
  }

  /** Its neighbors hear of it: the lease must be gone by now. */
  close(): void {
    this.server?.close()
    this.server = undefined
    for (const socket of this.sockets) socket.removeAllListeners('close').destroy()
    this.sockets.clear()
    this.present.clear()
  }

  /** Somebody calls: says who it is, and is called back, so that a node is watched from the moment it joins. */
  private greet(socket: Socket): void {
    this.keep(socket)
    hear(socket, (nodeId) => {
      if (this.present.size < CALLED_BACK_MAX) this.call(nodeId)
    })
    socket.write(this.selfId + END)
  }

  /** False when that has been done before. */
  private call(nodeId: string): boolean {
    if (process.platform !== 'linux' || nodeId === this.selfId) return false
    if (this.visited.has(nodeId) || this.present.has(nodeId)) return false
    this.visited.add(nodeId)
    const socket = connect({ path: pathOf(nodeId) })
    this.keep(socket)
    hear(socket, (heard) => {
      if (heard === nodeId) this.present.add(nodeId)
    })
    socket.on('close', () => {
      // Cut before it was heard is no death: a process that is out of files does that.
      if (this.present.delete(nodeId)) this.options.onGone(nodeId)
    })
    socket.write(this.selfId + END)
    return true
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket)
    socket.unref()
    socket.on('error', () => undefined)
    socket.on('close', () => this.sockets.delete(socket))
  }
}

function hear(socket: Socket, onId: (nodeId: string) => void): void {
  let heard = ''
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    heard = (heard + text).slice(0, ID_MAX)
    if (heard.endsWith(END)) onId(heard.slice(0, -END.length))
  })
}

/** The others, beginning behind oneself, so that all are looked for by about as many. */
function ringFrom(selfId: string, nodeIds: readonly string[]): string[] {
  const sorted = nodeIds.filter((nodeId) => nodeId !== selfId).toSorted()
  const next = sorted.findIndex((nodeId) => nodeId > selfId)
  return next < 0 ? sorted : [...sorted.slice(next), ...sorted.slice(0, next)]
}

/** The leading NUL makes it a name without a file. */
function pathOf(nodeId: string): string {
  return `\0cerebelum/${nodeId}`
}

const END = '\n'
