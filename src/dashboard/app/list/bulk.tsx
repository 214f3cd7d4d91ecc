// One action on many executions: asked for once, done a few at a time, each with its own outcome. What was refused is
// said with its reason, and nothing is tried again by itself.

import { useState } from 'preact/hooks'
import { ApiError, change } from '../api/request.js'
import { count } from '../format.js'
import { Dialog } from '../parts/dialog.js'

export interface BulkAction {
  readonly name: 'cancel' | 'terminate' | 'retry' | 'pause' | 'resume'
  readonly title: string
  readonly done: string
  readonly explanation: string
  readonly takesReason?: boolean
  readonly isDangerous?: boolean
}

export const BULK_ACTIONS: readonly BulkAction[] = [
  {
    name: 'cancel',
    title: 'Cancel',
    done: 'asked to cancel',
    explanation: 'Each is asked to stop: its code sees an error where it waits, and its clean-up steps run.',
    takesReason: true,
    isDangerous: true,
  },
  {
    name: 'terminate',
    title: 'Terminate',
    done: 'terminated',
    explanation: 'Each ends at once, whatever its code would say. No clean-up runs.',
    takesReason: true,
    isDangerous: true,
  },
  {
    name: 'retry',
    title: 'Retry',
    done: 'tried again',
    explanation: 'Dead letters and blocked executions are tried again now. Others are refused.',
  },
  { name: 'pause', title: 'Pause', done: 'pausing', explanation: 'Each stands still from its next wait on.' },
  { name: 'resume', title: 'Resume', done: 'resumed', explanation: 'Each that is paused goes on.' },
]

type Outcome = { readonly isDone: true } | { readonly isDone: false; readonly why: string }

const AT_ONCE = 6

export interface BulkProps {
  readonly action: BulkAction
  readonly executionIds: readonly string[]
  /** With those that it was done to. */
  readonly onClose: (done: readonly string[]) => void
}

export function BulkDialog({ action, executionIds, onClose }: BulkProps) {
  const [reason, setReason] = useState('')
  const [outcomes, setOutcomes] = useState<ReadonlyMap<string, Outcome>>(new Map())
  const [isStarted, setIsStarted] = useState(false)
  const failed = [...outcomes.values()].filter(({ isDone }) => !isDone).length
  const isOver = outcomes.size === executionIds.length
  const close = (): void => onClose([...outcomes].filter(([, { isDone }]) => isDone).map(([id]) => id))

  const run = async (): Promise<void> => {
    setIsStarted(true)
    const waiting = [...executionIds]
    const work = async (): Promise<void> => {
      for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
        const outcome = await act(action, id, reason)
        const of = id
        setOutcomes((last) => new Map([...last, [of, outcome]]))
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  }

  return (
    <Dialog
      title={`${action.title} ${count(executionIds.length, 'execution')}`}
      onClose={close}
      onSubmit={() => void (isStarted ? undefined : run())}
    >
      <p>{action.explanation}</p>
      {action.takesReason === true && !isStarted && (
        <label class="labeled">
          <span>Reason (optional, kept in the history)</span>
          <input
            class="field"
            maxLength={1_000}
            value={reason}
            onInput={(e) => setReason(e.currentTarget.value)}
          />
        </label>
      )}
      {isStarted && (
        <p role="status">
          {isOver ? 'Done: ' : 'Working: '}
          {outcomes.size - failed} {action.done}
          {failed > 0 && <span class="bad">, {failed} refused</span>} of {executionIds.length}
        </p>
      )}
      <ul class="outcomes" aria-label="Executions">
        {executionIds.map((id) => (
          <li key={id}>
            <span class="id" title={id}>
              {id}
            </span>
            <OutcomeText outcome={outcomes.get(id)} done={action.done} isStarted={isStarted} />
          </li>
        ))}
      </ul>
      <div class="feet">
        <button type="button" class="button" onClick={close}>
          {isOver ? 'Close' : 'Never mind'}
        </button>
        {!isStarted && (
          <button type="submit" class={action.isDangerous === true ? 'button danger main' : 'button main'}>
            {action.title} {executionIds.length}
          </button>
        )}
      </div>
    </Dialog>
  )
}

interface OutcomeProps {
  readonly outcome: Outcome | undefined
  readonly done: string
  readonly isStarted: boolean
}

function OutcomeText({ outcome, done, isStarted }: OutcomeProps) {
  if (outcome === undefined) return <span class="what muted">{isStarted ? '…' : ''}</span>
  return outcome.isDone ? <span class="what">{done}</span> : <span class="what bad">{outcome.why}</span>
}

async function act({ name, takesReason }: BulkAction, executionId: string, reason: string): Promise<Outcome> {
  try {
    const body = takesReason === true && reason !== '' ? { reason } : undefined
    await change(`/executions/${encodeURIComponent(executionId)}/${name}`, { body })
    return { isDone: true }
  } catch (error) {
    return {
      isDone: false,
      why: error instanceof ApiError ? `${error.code}: ${error.message}` : String(error),
    }
  }
}
