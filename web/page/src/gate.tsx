import { Problem, type Client } from '@magi/stream'
import { useEffect, useState, type ReactNode } from 'react'
import { Button, FieldError, Form, Input, Label, TextField } from 'react-aria-components'
import { answersOf, type Answers } from './answers.ts'
import { Header } from './header.tsx'
import { go } from './route.ts'
import { useWords } from './settings.tsx'
import { token } from './token.ts'

/** What the server said of itself: not yet, what answers, nothing, or that it wants a token. */
export type Asked =
  | { state: 'asking' }
  | { state: 'there'; answers: Answers | undefined }
  | { state: 'failed' }
  | { state: 'locked'; again: boolean }

/** Asks the server what answers; until it has said so, or that it wants a token, nothing is shown. */
export function Gate({
  client,
  children,
}: {
  client: Client
  children: (asked: Asked) => ReactNode
}) {
  const [asked, setAsked] = useState<Asked>({ state: 'asking' })
  const ask = async (again: boolean): Promise<void> => {
    try {
      setAsked({ state: 'there', answers: answersOf(await client.models()) })
    } catch (error) {
      const locked = error instanceof Problem && error.status === 401
      setAsked(locked ? { state: 'locked', again } : { state: 'failed' })
    }
  }
  useEffect(() => {
    void ask(false)
    // Asked once; a token asks again itself.
  }, [client])
  if (asked.state === 'asking') return null
  if (asked.state !== 'locked') return children(asked)
  return (
    <>
      <Header onHome={() => go({ name: 'home' })} />
      <TokenForm wrong={asked.again} onToken={() => void ask(true)} />
    </>
  )
}

function TokenForm({ wrong, onToken }: { wrong: boolean; onToken: () => void }) {
  const { token: words } = useWords()
  const [value, setValue] = useState('')
  return (
    <main className="home token">
      <h1>{words.title}</h1>
      <p className="intro">{words.why}</p>
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
