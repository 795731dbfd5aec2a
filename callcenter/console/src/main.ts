import { createPinia } from 'pinia'
import { createApp } from 'vue'
import { i18n } from '@/locales/words'
import App from '@/shell/App.vue'
import { router } from '@/shell/router'
import '@/styles/base.css'

createApp(App).use(createPinia()).use(i18n).use(router).mount('#app')
