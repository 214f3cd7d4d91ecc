// Workflows by name: what a node can run.

import { CerebelumError } from '../core/errors.js'
import { checkName } from '../core/ids.js'
import { DEFAULT_LIMITS, type Limits } from '../core/limits.js'
import type { Workflow } from './define.js'

export class Registry {
  private readonly byName = new Map<string, Workflow>()

  /** @throws CerebelumError SETTINGS when two workflows share a name; INVALID_NAME */
  constructor(workflows: readonly Workflow[], { nameCharactersMax }: Limits = DEFAULT_LIMITS) {
    for (const workflow of workflows) {
      checkName(workflow.name, 'workflow name', nameCharactersMax)
      checkName(workflow.version, 'workflow version', nameCharactersMax)
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
