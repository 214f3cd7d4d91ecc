// Starts an execution: its workflow, its input as JSON, and an id when somebody wants one. Goes there when it is started.

import { useState } from 'preact/hooks'
import { change, newKey } from '../api/request.js'
import { executionPath, go } from '../router.js'
import { Dialog } from './dialog.js'
import { DialogEnd } from './dialog-end.js'
import { pretty } from './json.js'
import { textOf, toast } from './toasts.js'

export interface StartDialogProps {
  readonly workflow: string
  readonly input?: unknown
  readonly onClose: () => void
}

export function StartDialog({ workflow, input, onClose }: StartDialogProps) {
  const [id, setId] = useState('')
  const [text, setText] = useState(input === undefined || input === null ? '' : pretty(input))
  const [problem, setProblem] = useState('')
  // Sent again after a lost answer, it is the same start.
  const [key] = useState(newKey)

  const start = async (): Promise<void> => {
    setProblem('')
    try {
      const value: unknown = text.trim() === '' ? undefined : JSON.parse(text)
      const started = await change<{ executionId: string; created: boolean }>('/executions', {
        key,
        body: {
          workflow,
          ...(value === undefined ? {} : { input: value }),
          ...(id.trim() === '' ? {} : { id: id.trim() }),
        },
      })
      if (started === undefined) return
      onClose()
      toast(started.created ? 'It is started.' : 'An execution of that id was there already: this is it.')
      go(executionPath(started.executionId))
    } catch (error) {
      setProblem(error instanceof SyntaxError ? `The input is no JSON: ${error.message}` : textOf(error))
    }
  }

  return (
    <Dialog title={`Start ${workflow}`} onClose={onClose} onSubmit={() => void start()}>
      <label class="labeled">
        <span>Input (JSON; empty: none)</span>
        <textarea
          class="field"
          rows={9}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <label class="labeled">
        <span>Id (empty: one is made)</span>
        <input
          class="field mono"
          spellcheck={false}
          value={id}
          onInput={(event) => setId(event.currentTarget.value)}
        />
      </label>
      <DialogEnd problem={problem} submit="Start" onClose={onClose} />
    </Dialog>
  )
}
