// What can be done to an execution as it stands: messages, pause and resume, retry, and its ends. Each asks first when
// it cannot be undone, and says how it went.

import { useState } from 'preact/hooks'
import { change } from '../api/request.js'
import type { Execution } from '../api/types.js'
import { awaitedSignals } from '../history/spans.js'
import { BULK_ACTIONS, BulkDialog, type BulkAction } from '../list/bulk.js'
import { isOpen } from '../parts/statuses.js'
import { StartDialog } from '../parts/start-dialog.js'
import { attempt } from '../parts/toasts.js'
import { MessageDialog, type MessageKind } from './message-dialog.js'

export interface ActionsProps {
  readonly execution: Execution
  readonly refresh: () => void
}

interface Message {
  readonly kind: MessageKind
  readonly name: string
}

export function Actions({ execution, refresh }: ActionsProps) {
  const { executionId, workflow, status, note } = execution
  const [message, setMessage] = useState<Message | undefined>()
  const [action, setAction] = useState<BulkAction | undefined>()
  const [isStarting, setIsStarting] = useState(false)
  const ask = (name: BulkAction['name']): void => setAction(BULK_ACTIONS.find((one) => one.name === name))
  const act = async (name: string, done: string): Promise<void> => {
    await attempt(done, () => change(`/executions/${encodeURIComponent(executionId)}/${name}`))
    refresh()
  }
  const isLive = isOpen(status)
  const awaited = isLive ? awaitedSignals(note) : []

  return (
    <div class="actions">
      {awaited.map((name) => (
        <button
          key={name}
          type="button"
          class="button main"
          onClick={() => setMessage({ kind: 'signal', name })}
        >
          {/approv/i.test(name) ? 'Approve' : 'Send'} “{name}”…
        </button>
      ))}
      {isLive && (
        <>
          <button type="button" class="button" onClick={() => setMessage({ kind: 'signal', name: '' })}>
            Signal…
          </button>
          <button type="button" class="button" onClick={() => setMessage({ kind: 'update', name: '' })}>
            Update…
          </button>
        </>
      )}
      <button type="button" class="button" onClick={() => setMessage({ kind: 'query', name: '' })}>
        Query…
      </button>
      {(status === 'blocked' || status === 'dead') && (
        <button type="button" class="button main" onClick={() => void act('retry', 'It is tried again.')}>
          Retry
        </button>
      )}
      {status === 'paused' && (
        <button type="button" class="button main" onClick={() => void act('resume', 'It goes on.')}>
          Resume
        </button>
      )}
      {isLive && status !== 'paused' && (
        <button type="button" class="button" onClick={() => void act('pause', 'It pauses at its next wait.')}>
          Pause
        </button>
      )}
      {isLive && (
        <>
          <button type="button" class="button danger" onClick={() => ask('cancel')}>
            Cancel…
          </button>
          <button type="button" class="button danger" onClick={() => ask('terminate')}>
            Terminate…
          </button>
        </>
      )}
      {!isLive && (
        <button type="button" class="button" onClick={() => setIsStarting(true)}>
          Start another like it…
        </button>
      )}
      {message !== undefined && (
        <MessageDialog
          {...message}
          executionId={executionId}
          workflow={workflow}
          onClose={() => {
            setMessage(undefined)
            refresh()
          }}
        />
      )}
      {action !== undefined && (
        <BulkDialog
          action={action}
          executionIds={[executionId]}
          onClose={() => {
            setAction(undefined)
            refresh()
          }}
        />
      )}
      {isStarting && (
        <StartDialog workflow={workflow} input={execution.input} onClose={() => setIsStarting(false)} />
      )}
    </div>
  )
}
