(()=>{let d=document,o=[],q='details:not([open])',p=[...d.querySelectorAll('.panel')],a=[...d.querySelectorAll('.tabs a[href^="#"]')],
tab=w=>{for(let x of p)x.hidden=x!==w;for(let l of a)if(l.hash==='#'+w.id){let u=l.closest('ul');l.setAttribute('aria-current','true');u.scrollLeft=l.offsetLeft-u.clientWidth/3}else l.removeAttribute('aria-current')},
show=()=>{let t=d.getElementById(decodeURIComponent(location.hash.slice(1))),w=t&&(t.closest('.panel')||a.some(l=>l.hasAttribute('aria-current'))&&p.find(x=>!x.hidden))||p[0];
if(w)tab(w);
if(t&&!o.length){if(t.matches('details'))t.open=true;for(let e=t;e=e.closest(q);)e.open=true;t.scrollIntoView()}};
addEventListener('hashchange',show);show();
let s=[...d.querySelectorAll('#steps .layers>li')];
if(s.length){let b=d.createElement('button'),n=s.length,timer,go=()=>{if(n>=s.length){s.forEach(e=>e.classList.add('later'));n=0}
s[n].classList.remove('later');s.forEach((e,i)=>e.classList.toggle('now',i===n));
if(++n<s.length)timer=setTimeout(go,1100);else{b.textContent='Play';timer=0}};
b.type='button';b.className='play';b.textContent='Play';
b.onclick=()=>{if(timer){clearTimeout(timer);timer=0;b.textContent='Go on'}else{b.textContent='Pause';go()}};
s[0].parentElement.before(b)}
addEventListener('beforeprint',()=>{o=[...d.querySelectorAll(q)];for(let e of o)e.open=true});
addEventListener('afterprint',()=>{for(let e of o)e.open=false;o=[]})})()
