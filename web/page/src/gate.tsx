import { Problem } from '@magi/stream'
import { useEffect, useState, type ReactNode } from 'react'
import { Button, FieldError, Form, Input, Label, TextField } from 'react-aria-components'
import { aboutOf, type About } from './about.ts'
import { answersOf, type Answers } from './answers.ts'
import { Header } from './header.tsx'
import { go } from './route.ts'
import { useWords } from './settings.tsx'
import { token } from './token.ts'
import { hostOf, useWay } from './way.ts'

/** What the door said of itself: not yet, what answers, why nothing, or that it wants a token. */
export type Asked =
  | { state: 'asking' }
  | { state: 'there'; answers: Answers | undefined; about: About }
  | { state: 'failed'; problem: Problem }
  | { state: 'locked'; again: boolean }

/**
 * Asks the door what answers. A server's page waits for that, because a token may be wanted first. A
 * door far away may have to wake up: then the start page is there meanwhile, with its own copies.
 */
export function Gate({ children }: { children: (asked: Asked, again: () => void) => ReactNode }) {
  const { door, config } = useWay()
  const needed = config.sign === 'bearer' && token.read() === undefined
  const [asked, setAsked] = useState<Asked>(
    needed ? { state: 'locked', again: false } : { state: 'asking' },
  )
  const ask = async (again: boolean): Promise<void> => {
    try {
      const said = await door.models()
      setAsked({ state: 'there', answers: answersOf(said), about: aboutOf(said) })
    } catch (error) {
      const problem =
        error instanceof Problem ? error : new Problem({ status: 0, message: String(error) })
      const refused = problem.status === 401 || (problem.status === 403 && config.sign === 'bearer')
      setAsked(
        refused && config.sign !== 'sigv4'
          ? { state: 'locked', again }
          : { state: 'failed', problem },
      )
    }
  }
  useEffect(() => {
    if (!needed) void ask(token.read() !== undefined)
    // Asked once; a token, or the person, asks again.
  }, [door])
  const retry = (): void => {
    setAsked({ state: 'asking' })
    void ask(false)
  }
  if (asked.state === 'asking' && door.kind === 'server') return null
  if (asked.state !== 'locked') return children(asked, retry)
  return (
    <>
      <Header onHome={() => go({ name: 'home' })} />
      <TokenForm wrong={asked.again} onToken={() => void ask(true)} />
    </>
  )
}

function TokenForm({ wrong, onToken }: { wrong: boolean; onToken: () => void }) {
  const { token: words } = useWords()
  const { config } = useWay()
  const [value, setValue] = useState('')
  return (
    <main className="home token">
      <h1>{words.title}</h1>
      <p className="intro">
        {config.sign === 'bearer' ? words.whyBearer(hostOf(config)) : words.why}
      </p>
      <Form
        className="composer"
        validationBehavior="aria"
        onSubmit={(event) => {
          event.preventDefault()
          token.write(value.trim())
          onToken()
        }}
      >
        <TextField
          className="field"
          type="password"
          autoComplete="current-password"
          value={value}
          onChange={setValue}
          isInvalid={wrong}
        >
          <Label className="field-label">{words.label}</Label>
          <Input className="token-input" />
          <FieldError className="field-error">{wrong && words.wrong}</FieldError>
        </TextField>
        <div className="composer-row">
          <Button type="submit" className="convene" isDisabled={value.trim() === ''}>
            {words.enter}
          </Button>
        </div>
      </Form>
    </main>
  )
}
