// Who shares a machine hears when the process of a neighbor ends, as by `src/coordination/neighbors.ts`: a moment later,
// and only if it had found the neighbor before.

import type { NeighborsOptions, NeighborWatch } from '../../src/coordination/neighbors.js'
import type { Machine } from './machine.js'
import type { Timeline } from './timeline.js'

interface Listening {
  readonly machine: Machine
  readonly host: number
  readonly present: Set<string>
  readonly onGone: (nodeId: string) => void
  nodeId: string
}

const HEARD_MS = 1
const FOUND_MS = 2

export class Neighborhood {
  readonly #timeline: Timeline
  readonly #all = new Set<Listening>()

  constructor(timeline: Timeline) {
    this.#timeline = timeline
  }

  watchOf(machine: Machine, host: number, { onGone }: NeighborsOptions): NeighborWatch {
    const self: Listening = { machine, host, onGone, nodeId: '', present: new Set() }
    this.#all.add(self)
    return {
      get size() {
        return self.present.size
      },
      listen: (nodeId) => {
        self.nodeId = nodeId
        return Promise.resolve()
      },
      visit: (nodeIds) => {
        for (const nodeId of nodeIds) this.#find(self, nodeId)
      },
      close: () => this.#all.delete(self),
    }
  }

  /** The process is no more: the kernel closes what it had open. */
  ended(machine: Machine): void {
    for (const gone of this.#all) {
      if (gone.machine !== machine) continue
      this.#all.delete(gone)
      for (const { present, onGone, machine: hears } of this.#all) {
        if (!present.delete(gone.nodeId)) continue
        this.#timeline.after(HEARD_MS, () => hears.deliver(() => onGone(gone.nodeId)))
      }
    }
  }

  #find(self: Listening, nodeId: string): void {
    const found = [...this.#all].find((other) => other.nodeId === nodeId)
    if (found === undefined || found === self || found.host !== self.host) return
    this.#timeline.after(FOUND_MS, () => {
      // Whoever stands still does not say its name.
      if (found.machine.isAwake && self.machine.isAwake && this.#all.has(found)) {
        self.present.add(found.nodeId)
        found.present.add(self.nodeId)
      }
    })
  }
}
