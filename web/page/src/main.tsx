import { Client } from '@magi/stream'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app.tsx'
import { readConfig } from './config.ts'
import { SettingsProvider } from './settings.tsx'
import './styles/base.css'
import './styles/home.css'
import './styles/deliberation.css'
import './styles/verdict.css'

const root = document.getElementById('root')
if (root) {
  const { api } = await readConfig()
  createRoot(root).render(
    <StrictMode>
      <SettingsProvider>
        <App client={new Client({ base: api })} />
      </SettingsProvider>
    </StrictMode>,
  )
}
