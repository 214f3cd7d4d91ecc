// Forks an execution at one of its events: a new one whose history begins as a copy, and whose code goes on from there.
// The execution itself stays as it is.

import { useState } from 'preact/hooks'
import { change, newKey } from '../api/request.js'
import { count } from '../format.js'
import { Dialog } from '../parts/dialog.js'
import { DialogEnd } from '../parts/dialog-end.js'
import { textOf, toast } from '../parts/toasts.js'
import { executionPath, go } from '../router.js'

export interface ForkDialogProps {
  readonly executionId: string
  /** The last event to copy. */
  readonly version: number
  readonly onClose: () => void
}

export function ForkDialog({ executionId, version, onClose }: ForkDialogProps) {
  const [id, setId] = useState('')
  const [problem, setProblem] = useState('')
  // Sent again after a lost answer, it is the same fork.
  const [key] = useState(newKey)

  const fork = async (): Promise<void> => {
    setProblem('')
    try {
      const path = `/executions/${encodeURIComponent(executionId)}/fork`
      const body = { version, ...(id.trim() === '' ? {} : { id: id.trim() }) }
      const made = await change<{ executionId: string }>(path, { key, body })
      if (made === undefined) return
      onClose()
      toast('It is forked: this is the new execution.')
      go(executionPath(made.executionId))
    } catch (error) {
      setProblem(textOf(error))
    }
  }

  return (
    <Dialog title="Fork this execution" onClose={onClose} onSubmit={() => void fork()}>
      <p>
        A new execution gets the first {count(version, 'event')} of this history. Steps recorded in them are
        not run again; everything after them is, by the code of today.
      </p>
      <label class="labeled">
        <span>Id of the fork (empty: one is made)</span>
        <input
          class="field mono"
          spellcheck={false}
          value={id}
          onInput={(event) => setId(event.currentTarget.value)}
        />
      </label>
      <DialogEnd problem={problem} submit="Fork" onClose={onClose} />
    </Dialog>
  )
}
