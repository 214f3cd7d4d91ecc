// Workflows by name: what a node can run.

import { CerebelumError } from '../core/errors.js'
import type { Workflow } from './define.js'

export class Registry {
  private readonly byName = new Map<string, Workflow>()

  /** @throws CerebelumError SETTINGS when two workflows share a name */
  constructor(workflows: readonly Workflow[]) {
    for (const workflow of workflows) {
      if (this.byName.has(workflow.name)) {
        throw new CerebelumError(
          'SETTINGS',
          `Two workflows are named "${workflow.name}". Register each name once.`,
        )
      }
      this.byName.set(workflow.name, workflow)
    }
  }

  get(name: string): Workflow | undefined {
    return this.byName.get(name)
  }

  get names(): string[] {
    return [...this.byName.keys()]
  }

  get all(): Workflow[] {
    return [...this.byName.values()]
  }
}
