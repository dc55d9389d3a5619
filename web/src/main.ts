import { mount } from 'svelte';
import App from './App.svelte';
import { account } from './lib/app/account.svelte';
import { captionPreferences } from './lib/app/caption-preferences.svelte';
import { router } from './lib/app/router.svelte';
import { theme } from './lib/app/theme.svelte';
import { language } from './lib/i18n/index.svelte';
import './styles/base.css';

language.start();
theme.start();
captionPreferences.start();
router.start();
void account.load();

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');
mount(App, { target });
