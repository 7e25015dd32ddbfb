import { Client } from '@magi/stream'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { readConfig } from './config.ts'
import { Fault } from './fault.tsx'
import { SettingsProvider } from './settings.tsx'
import { authorization } from './token.ts'
import './styles/base.css'
import './styles/home.css'
import './styles/deliberation.css'
import './styles/verdict.css'

const root = document.getElementById('root')
if (root) {
  const { api } = await readConfig()
  const client = new Client({ base: api, headers: authorization })
  createRoot(root).render(
    <StrictMode>
      <SettingsProvider>
        <Fault>
          <App client={client} />
        </Fault>
      </SettingsProvider>
    </StrictMode>,
  )
}
