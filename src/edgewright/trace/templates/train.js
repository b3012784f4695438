// The tab that trains a run's network: controls, curves, a map of answers, smaller forms, and goals.
whenShown('train-data',async box=>{
const find=name=>document.getElementById('train-'+name),recipe=JSON.parse(box.textContent);
const[values,targets]=await Promise.all([unpack(box.dataset.values),unpack(box.dataset.targets)]);
const columns=recipe.names.length,samples=recipe.samples,wide=columns*samples,classes=recipe.classes,sure=classes.length>0,outputs=recipe.layers.at(-1).units;
const count=recipe.training+recipe.validation,limit=120000,slow=6e6;
// A number of 16 bits as IEEE 754 has it.
const half=h=>{
  const e=h>>10&31,m=h&1023,s=h&32768?-1:1;
  return s*(e==31?m?NaN:Infinity:e?(1+m/1024)*2**(e-15):m*2**-24);
};
const base=(()=>{
  if(recipe.encoding=='float32')return new Float32Array(values);
  if(recipe.encoding=='float16')return Float32Array.from(new Uint16Array(values),half);
  return Float32Array.from(new Uint8Array(values),(v,i)=>{const c=Math.floor(i/samples)%columns;return recipe.low[c]+recipe.step[c]*v});
})();
const y=sure?new Uint8Array(targets):new Float32Array(targets);
const names=[...recipe.names,...recipe.left.map((l,i)=>recipe.names[l]+' × '+recipe.names[recipe.right[i]])];
let used=recipe.names.map(()=>true);
// Of rows of columns, or windows of channels, the features of those that are on, then products of columns.
const featured=rows=>{
  const n=rows.length/wide,on=[...recipe.names.keys()].filter(c=>used[c]),pairs=recipe.left.map((l,i)=>[l,recipe.right[i]]).filter(([l,r])=>used[l]&&used[r]);
  const c=on.length+pairs.length,d=c*samples,x=new Float32Array(n*d);
  for(let i=0;i<n;i++){
    const p=i*wide;
    let q=i*d;
    for(const h of on)for(let t=0;t<samples;t++)x[q++]=rows[p+h*samples+t];
    for(const[l,r]of pairs)x[q++]=rows[p+l]*rows[p+r];
  }
  return{n,c,d,x};
};
const split=recipe.training*wide,trained=base.subarray(0,split),watched=base.subarray(split);
const truth={train:y.subarray(0,recipe.training),validation:y.subarray(recipe.training)};
// Classes that weigh alike, as `training.class_weights` computes them.
const weights=recipe.balanced?(()=>{
  const n=new Array(classes.length).fill(0);
  for(const v of truth.train)n[v]++;
  return n.map(v=>v?Math.fround(recipe.training/(classes.length*v)):1);
})():null;
const hidden=recipe.layers.slice(0,-1);
let widths,set,validation,lab,teacher,same,playing=false,goal=recipe.epochs,drawn=0;
const text=(n,digits=3)=>n==null||isNaN(n)?'-':Math.abs(n)>=1000?Math.round(n).toLocaleString('en'):(+n.toPrecision(digits)).toString();
const percent=v=>(100*v).toFixed(1)+' %';
const size=v=>v<1000?v+' B':v<1e6?(v/1000).toFixed(1)+' kB':(v/1e6).toFixed(2)+' MB';
const element=(tag,content,more={})=>{const e=Object.assign(document.createElement(tag),more);e.append(...[content].flat());return e};
const options=(name,list,chosen,words=String)=>{
  const sorted=[...new Set([...list,chosen])].sort((a,b)=>a-b);
  find(name).replaceChildren(...sorted.map(v=>element('option',words(v),{value:v,selected:v==chosen})));
};
const ownDrop=Math.max(0,...hidden.map(l=>l.dropout??0));
const restore=()=>{
  widths=hidden.map(l=>l.units);
  used=recipe.names.map(()=>true);
  teacher=null;
  options('rate',[.0001,.0003,.001,.003,.01,.03,.1],recipe.learning_rate);
  options('batch',[8,16,32,64,128,256],recipe.batch);
  options('l2',[0,.0001,.001,.01,.1],0);
  options('dropout',[0,.1,.2,.3,.5],ownDrop,v=>Math.round(100*v)+' %');
  find('seed').value=recipe.seed;
  find('features').replaceChildren(...recipe.names.map((name,c)=>element('label',[element('input','',{type:'checkbox',checked:true,value:c}),' '+name])));
};
const settings=()=>({rate:+find('rate').value,batch:+find('batch').value,l2:+find('l2').value,drop:+find('dropout').value,seed:Math.max(0,Math.round(+find('seed').value)||0)});
const shape=()=>[samples>1?set.c+'×'+samples:set.d,...widths.filter(Boolean),outputs].join('-');
// Layers of pools have no width.
const layers=()=>{
  const{drop}=settings(),own=i=>drop==ownDrop?hidden[i]?.dropout??0:drop*!!widths[i];
  return[...widths.map((units,i)=>({...(hidden[i]??hidden.at(-1)??{activation:'relu'}),units,drop:own(i)})),{units:outputs,activation:'linear'}];
};
const reset=()=>{
  playing=false;goal=recipe.epochs;
  const s=settings();
  set={...featured(trained),y:truth.train};
  validation={...featured(watched),y:truth.validation};
  const plan=learner.plan(set.c,samples,layers()),fits=learner.parameters(plan)<=limit&&learner.products(plan)<=slow;
  same=!teacher&&used.every(Boolean)&&widths.join()==hidden.map(l=>l.units).join()&&s.rate==recipe.learning_rate&&s.batch==recipe.batch&&s.l2==0&&s.drop==ownDrop&&s.seed==recipe.seed;
  lab=null;
  if(fits&&set.d)lab=learner.trainer(learner.network(set.c,samples,layers(),s.seed),set,validation,{
    loss:recipe.loss,optimiser:recipe.optimiser,rate:s.rate,schedule:recipe.schedule,warmUp:recipe.warm_up,decay:recipe.weight_decay,
    l2:s.l2,batch:s.batch,epochs:recipe.epochs,smooth:recipe.label_smoothing,inputDrop:recipe.dropout,seed:s.seed,weights,teacher:teacher?.answers});
  const named={};
  find('layers').replaceChildren(...widths.map((w,i)=>{
    if(!w)return'';
    const word=samples>1?{conv1d:'Convolution',pointwise:'Mixed channels'}[hidden[i].kind]??'Dense layer':'Hidden layer',name=word+' '+(named[word]=(named[word]??0)+1),change=by=>{widths[i]=Math.min(256,Math.max(1,by));reset()};
    const input=element('input','',{type:'number',min:1,max:256,value:w,inputMode:'numeric',onchange:e=>change(Math.round(+e.target.value)||1)});
    const button=(sign,to,label)=>{const b=element('button',sign,{type:'button',onclick:()=>change(to(widths[i]))});b.setAttribute('aria-label',label+' '+name);return b};
    return element('p',[element('label',[name+' ',input]),button('÷2',v=>Math.floor(v/2),'Halve'),button('×2',v=>2*v,'Double')]);
  }));
  find('add').hidden=find('remove').hidden=samples>1;find('add').disabled=widths.length>5;find('remove').disabled=!widths.length;
  find('teacher').textContent=teacher?`Learns from the answers of ${teacher.shape} as well as from the labels.`:'';
  find('columns').textContent=`${samples>1?'Channels':'Features'}: ${used.filter(Boolean).length} of ${columns} on`;
  draw();
};
const parameters=()=>learner.parameters(learner.plan(featured(new Float32Array(wide)).c,samples,layers()));
const result=()=>{const h=lab?.history.at(-1);return h?sure?(h.validation??h).accuracy:(h.validation??h).loss:null};
const score=v=>v==null?'-':sure?percent(v):text(v);
const side=recipe.validation?'validation':'training';
// Curves: own ones whole, those of the run thin.
const curve=(name,pick,run,share)=>{
  const W=340,H=150,L=38,B=20,own=lab?lab.history.map(pick):[],curves=[[run.map(r=>r[0]),'lab-r1'],[run.map(r=>r[1]),'lab-r2'],[own.map(v=>v[0]),'lab-c1'],[own.map(v=>v[1]),'lab-c2']];
  const all=curves.flatMap(([c])=>c).filter(v=>v!=null&&isFinite(v)),last=Math.max(2,run.length,own.length,goal);
  if(!all.length){find(name).replaceChildren();return}
  let low=Math.min(...all),high=Math.max(...all);
  if(high-low<1e-6){low-=.01;high+=.01}
  const X=e=>L+(W-L-6)*(e-1)/(last-1),Y=v=>6+(H-B-6)*(1-(v-low)/(high-low));
  let svg='';
  for(const v of [low,(low+high)/2,high])svg+=`<path class="lab-grid" d="M${L} ${Y(v)}H${W-6}"/><text x="${L-4}" y="${Y(v)+4}" text-anchor="end">${share?Math.round(100*v)+' %':text(v)}</text>`;
  svg+=`<text x="${L}" y="${H-4}">1</text><text x="${W-6}" y="${H-4}" text-anchor="end">epoch ${last}</text>`;
  for(const[c,kind]of curves){
    const points=c.map((v,i)=>v==null?'':X(i+1).toFixed(1)+' '+Y(v).toFixed(1)).filter(Boolean);
    if(points.length)svg+=`<path class="${kind}" d="M${points.join('L')}"/>`;
    if(points.length==1&&kind[4]=='c'){const[x,y]=points[0].split(' ');svg+=`<circle class="${kind}" cx="${x}" cy="${y}" r="2.5"/>`}
  }
  find(name).innerHTML=svg;
  const at=own.at(-1);
  find(name).setAttribute('aria-label',`${name} after ${own.length} epochs: ${at?`training ${share?percent(at[0]):text(at[0])}${at[1]==null?'':`, validation ${share?percent(at[1]):text(at[1])}`}`:'not trained yet'}.`);
};
// The plane of the map: two columns, or components of all columns.
const means=(()=>{const m=new Float64Array(wide);for(let i=0;i<base.length;i++)m[i%wide]+=base[i]/count;return m})();
const components=(()=>{
  let known;
  return()=>known??=(()=>{
    const list=[];
    for(let k=0;k<2;k++){
      let v=Float64Array.from({length:wide},(_,c)=>Math.cos(c*(k+1)+k));
      for(let turn=0;turn<40;turn++){
        const next=new Float64Array(wide);
        for(let i=0;i<recipe.training;i++){
          let t=0;
          for(let c=0;c<wide;c++)t+=(base[i*wide+c]-means[c])*v[c];
          for(let c=0;c<wide;c++)next[c]+=t*(base[i*wide+c]-means[c]);
        }
        for(const other of list){const t=other.reduce((s,o,c)=>s+o*next[c],0);next.forEach((_,c)=>{next[c]-=t*other[c]})}
        const long=Math.hypot(...next)||1;
        v=next.map(w=>w/long);
      }
      list.push(v);
    }
    return list;
  })();
})();
// How far a column tells classes apart (F of a variance analysis), or follows the amount.
const strength=samples>1?[]:recipe.names.map((_,c)=>{
  const groups={};
  let m=0,v=0,within=0,cross=0;
  for(let i=0;i<recipe.training;i++){const x=base[i*columns+c]-means[c];m+=x;v+=x*x;cross+=x*y[i];(groups[y[i]]??=[]).push(x)}
  if(!sure)return v?cross*cross/v:0;
  for(const g of Object.values(groups)){const a=g.reduce((s,x)=>s+x,0)/g.length;for(const x of g)within+=(x-a)**2}
  return within?(v-m*m/recipe.training)/within:0;
});
const axes=samples>1?[]:[...recipe.names.keys()].sort((a,b)=>strength[b]-strength[a]);
for(const[name,chosen]of[['across',axes[0]??'c0'],['up',axes[1]??'c1']])
  find(name).replaceChildren(...[...axes.map(c=>[c,recipe.names[c]]),['c0','first component'],['c1','second component']].map(([value,words])=>element('option',words,{value,selected:value==chosen})));
const coordinate=(axis,row)=>axis[0]=='c'?components()[axis[1]].reduce((t,v,c)=>t+v*(base[row*wide+c]-means[c]),0):base[row*wide+ +axis];
const colour=i=>getComputedStyle(document.documentElement).getPropertyValue('--series-'+(i%4+1)).trim();
const shown=Array.from({length:Math.min(250,recipe.validation||recipe.training)},(_,i)=>(recipe.validation?recipe.training:0)+Math.floor(i*(recipe.validation||recipe.training)/Math.min(250,recipe.validation||recipe.training)));
const map=form=>{
  const canvas=find('map'),paint=canvas.getContext('2d'),W=canvas.width,across=find('across').value,up=find('up').value;
  const points=shown.map(r=>[coordinate(across,r),coordinate(up,r)]),limits=[0,1].map(a=>{
    const sorted=points.map(p=>p[a]).sort((p,q)=>p-q),low=sorted[Math.floor(.01*sorted.length)],high=sorted[Math.ceil(.99*sorted.length)-1],pad=.08*(high-low)||.5;
    return[low-pad,high+pad];
  });
  paint.clearRect(0,0,W,W);
  const to=(v,a)=>(v-limits[a][0])/(limits[a][1]-limits[a][0])*W,k=outputs,shares=new Array(Math.max(k,2)).fill(0),colours=shares.map((_,i)=>colour(i));
  if(lab){
    const cells=Math.max(12,Math.min(48,Math.floor(Math.sqrt(1.2e7/learner.products(lab.net))))),rows=new Float32Array(cells*cells*wide);
    for(let i=0;i<cells*cells;i++){
      const at=[(i%cells+.5)/cells,1-(Math.floor(i/cells)+.5)/cells].map((s,a)=>limits[a][0]+s*(limits[a][1]-limits[a][0])),row=rows.subarray(i*wide,i*wide+wide);
      row.set(means);
      for(const[axis,a]of[[across,0],[up,1]])if(axis[0]=='c')components()[axis[1]].forEach((v,c)=>{row[c]+=at[a]*v});
      for(const[axis,a]of[[across,0],[up,1]])if(axis[0]!='c')row[+axis]=at[a];
    }
    const z=learner.forward(form,featured(rows).x,cells*cells).at(-1),small=element('canvas','',{width:cells,height:cells}),pixel=small.getContext('2d');
    for(let i=0;i<cells*cells;i++){
      let best=0,sureness=.5;
      if(!sure){best=z[i]>0?1:0;sureness=Math.min(1,Math.abs(z[i])/2)}
      else{
        const p=k==1?(v=>[1-v,v])(learner.bend(z[i])):learner.softmax(z.subarray(i*k,i*k+k));
        best=p.indexOf(Math.max(...p));sureness=(p[best]-1/p.length)/(1-1/p.length);
      }
      shares[best]++;
      pixel.fillStyle=colours[best];pixel.globalAlpha=.08+.42*sureness;
      pixel.fillRect(i%cells,Math.floor(i/cells),1,1);
    }
    paint.drawImage(small,0,0,W,W);
    find('map').setAttribute('aria-label',sure?`Answers over ${find('across').selectedOptions[0].text} and ${find('up').selectedOptions[0].text}: `+classes.map((name,i)=>`${name} on ${Math.round(100*shares[i]/cells/cells)} %`).join(', ')+'.':'Predictions over two columns.');
  }
  paint.globalAlpha=1;
  const paper=getComputedStyle(document.documentElement).getPropertyValue('--paper').trim();
  shown.forEach((r,i)=>{
    paint.beginPath();paint.arc(to(points[i][0],0),W-to(points[i][1],1),3.6,0,7);
    paint.fillStyle=colours[sure?y[r]:y[r]>0?1:0];paint.fill();
    paint.strokeStyle=paper;paint.lineWidth=1.2;paint.stroke();
  });
};
find('classes').replaceChildren(...(sure?classes:['below the mean','above the mean']).map((name,i)=>element('span',name,{className:'shade lab-s'+(i%4+1)})));
const BITS=[32,8,6,4,2];
let bits=32;
find('bits').tBodies[0].replaceChildren(...BITS.map(b=>{
  const radio=element('input','',{type:'radio',name:'bits',value:b,checked:b==bits,onchange:()=>{bits=b;draw()}}),label=element('label',[radio,' '+b]);
  const row=element('tr',[element('th',label),element('td',''),element('td',''),element('td','')]);
  for(const cell of row.cells)cell.className='f';
  row.cells[0].scope='row';row.cells[0].className='';
  return row;
}));
for(const name of['score','side'])find(name).textContent=sure?'accuracy':'loss';
find('change').textContent=sure?'points':'change';
const forms=()=>{
  const pruned=+find('pruned').value/100,on=recipe.validation?validation:set;
  let chosen=lab.net;
  const whole=learner.judge(lab.net,on,recipe.loss,0,weights);
  BITS.forEach((b,i)=>{
    const form=b==32&&!pruned?{net:lab.net,bytes:4*learner.parameters(lab.net)}:learner.smaller(lab.net,b,pruned),cells=find('bits').tBodies[0].rows[i].cells;
    const at=form.net==lab.net?whole:learner.judge(form.net,on,recipe.loss,0,weights),change=sure?100*(at.accuracy-whole.accuracy):at.loss-whole.loss;
    // Before the first epoch the weights are random: a score would say nothing.
    const trained=lab.history.length>0;
    cells[1].textContent=!trained?'–':sure?percent(at.accuracy):text(at.loss);
    cells[2].textContent=trained?((change>0?'+':'')+(sure?change.toFixed(1):text(change,2))).replace('-','−'):'–';
    cells[2].className=trained&&change*(sure?1:-1)<-(sure?1:.05*whole.loss)?'f bad':'f';
    cells[3].textContent=size(form.bytes);
    if(b==bits)chosen=form.net;
  });
  find('pruned-share').textContent=Math.round(100*pruned)+' %';
  return chosen;
};
// Some units of each layer and the weights between them: wide where large, dashed where negative.
const picture=form=>{
  const W=300,H=110,mixed=form.filter(l=>l.mixes),sizes=[set.c,...mixed.map(l=>l.units)],spread=(n,most=9)=>Array.from({length:Math.min(n,most)},(_,i)=>Math.floor(i*n/Math.min(n,most)));
  const at=(layer,i,n)=>[12+layer*(W-24)/(sizes.length-1),n<2?H/2:8+i*(H-16)/(n-1)].map(v=>v.toFixed(1));
  let svg='';
  mixed.forEach((l,a)=>{
    // Of a kernel the weights in its middle.
    const from=spread(l.c),to=spread(l.units),middle=(l.kernel>>1)*l.c;
    let top=1e-9;
    for(const i of from)for(const o of to)top=Math.max(top,Math.abs(l.w[(middle+i)*l.units+o]));
    from.forEach((i,p)=>to.forEach((o,q)=>{
      const w=l.w[(middle+i)*l.units+o]/top;
      if(Math.abs(w)>.08)svg+=`<path class="lab-c${w>0?1:2}" stroke-width="${(2.2*Math.abs(w)).toFixed(2)}" opacity="${(.15+.6*Math.abs(w)).toFixed(2)}" d="M${at(a,p,from.length).join(' ')}L${at(a+1,q,to.length).join(' ')}"/>`;
    }));
  });
  sizes.forEach((n,a)=>spread(n).forEach((_,i,all)=>{const[x,y]=at(a,i,all.length);svg+=`<circle class="lab-unit" cx="${x}" cy="${y}" r="3.4"/>`}));
  find('network').innerHTML=svg;
};
const draw=()=>{
  const began=performance.now(),total=parameters();
  find('sizes').textContent=`${shape()}: ${total.toLocaleString('en')} parameters, ${size(4*total)}`;
  curve('loss',h=>[h.loss,h.validation?.loss],recipe.curves.map(r=>[r[0],r[2]]));
  if(sure)curve('accuracy',h=>[h.accuracy,h.validation?.accuracy],recipe.curves.map(r=>[r[1],r[3]]),true);
  find('play').textContent=playing?'Pause':lab&&lab.epoch>=goal?'Train on':lab&&lab.step?'Go on':'Train';
  find('play').disabled=find('step').disabled=!lab;
  if(lab){
    const now=lab.now,at=`epoch ${lab.batch||!lab.step?lab.epoch+1:lab.epoch}${lab.batch?`, batch ${lab.batch} of ${lab.batches}`:''}`;
    find('now').textContent=now?`${at}: loss ${text(now.loss)}${sure?', accuracy '+percent(now.accuracy):''}${lab.batch?'':lab.history.at(-1)?.validation?`; validation ${score(result())}`:''}`:`${lab.batches} batches an epoch`;
    const form=forms();
    map(form);picture(form);
  }else{find('now').textContent=set.d?total>limit?`Too large: the page trains up to ${limit.toLocaleString('en')} parameters.`:'Too large: a step of its training would take too long here.':'No feature is on.';map()}
  find('form').dataset.history=JSON.stringify(lab?lab.history:[]);
  goals();
  drawn=performance.now()+Math.max(120,3*(performance.now()-began));
};
find('right').hidden=!sure;
// What was trained, the last first.
const networks=[];
const note=()=>{
  if(!lab||!lab.epoch)return;
  const name=shape(),entry={name,lab,widths:[...widths],same,features:set.d,parameters:learner.parameters(lab.net),score:result(),epochs:lab.epoch,ms:lab.ms/(lab.epoch+lab.batch/lab.batches),taught:teacher?.shape};
  const place=networks.findIndex(t=>t.lab==lab);
  if(place<0)networks.unshift(entry);else networks[place]=entry;
  networks.length=Math.min(networks.length,12);
  find('kept').hidden=false;
  find('networks').tBodies[0].replaceChildren(...networks.slice(0,6).map(t=>{
    const row=element('tr',[element('th',t.name+(t.taught?' taught':'')),...[t.parameters.toLocaleString('en'),score(t.score),t.ms<10?t.ms.toFixed(1)+' ms':Math.round(t.ms)+' ms'].map(c=>element('td',c,{className:'f'}))]);
    row.cells[0].scope='row';
    if(t.same)row.className='best';
    return row;
  }));
  goals();
};
const say=(name,words)=>{
  const place=document.querySelector(`[data-goal=${name}]`);
  if(!place)return;
  const b=place.querySelector('b');
  place.classList.toggle('done',!!words);
  if(b.textContent!=words)b.textContent=words;
};
let own,whole={};
const goals=()=>{
  const full=t=>t.epochs>=recipe.epochs;
  own=networks.find(t=>t.same&&full(t))??own;
  if(!own)return faster();
  const chance=sure?1.96*Math.sqrt(own.score*(1-own.score)/(recipe.validation||recipe.training)):0;
  say('same',`${score(own.score)} ${sure?`of ${(recipe.validation||recipe.training).toLocaleString('en')} ${side} samples`:`${side} loss`} after ${own.epochs} epochs.`);
  const small=networks.filter(t=>t.parameters<=recipe.small&&(sure?t.score>=own.score-.01:t.score<=1.05*own.score)).sort((a,b)=>a.parameters-b.parameters)[0];
  if(small)whole.small=`${small.parameters.toLocaleString('en')} parameters (${small.name}) do what ${own.parameters.toLocaleString('en')} do: ${score(small.score)} against ${score(own.score)}${sure?`; differences below ${(100*chance).toFixed(1)} points may be chance`:''}.`;
  say('small',whole.small??'');
  const like=(w,deep)=>networks.find(t=>t.features==own.features&&t.widths.length==deep&&t.widths.every(v=>v==w)),w=own.widths[0],deep=own.widths.length,wide=like(2*w,deep),tall=like(w,2*deep);
  const cost=t=>`${t.parameters.toLocaleString('en')} parameters, ${text(t.ms,2)} ms an epoch`;
  say('grows',wide&&tall?`Twice as wide: ${cost(wide)}. Twice as deep: ${cost(tall)}. As it is: ${cost(own)}. The weights between two layers grow with the square of the width, and in proportion to the depth.`:wide?`Twice as wide: ${cost(wide)}, against ${cost(own)}. Now twice as deep.`:tall?`Twice as deep: ${cost(tall)}, against ${cost(own)}. Now twice as wide.`:'');
  faster();
};
// Times of an answer, on the line between the two networks that were measured.
const faster=()=>{
  if(!recipe.times)return;
  const[[n,a,b],[m,c,d]]=recipe.times,total=parameters(),at=(x,z)=>x+(z-x)*(total-n)/(m-n),slope=(c-a-d+b)/(m-n),turn=Math.ceil(n+(b-a)/slope),float=at(a,c),int=at(b,d);
  const words=`At ${total.toLocaleString('en')} parameters about ${text(float,2)} µs as float and ${text(int,2)} µs as int8, estimated between the two networks that the run measured.`;
  say('faster',words+(int<float?` int8 is faster from about ${text(turn,2)} parameters on.`:''));
  document.querySelector('[data-goal=faster]')?.classList.toggle('done',int<float);
};
const frame=()=>{
  if(!playing)return;
  const end=performance.now()+14,epoch=lab.epoch;
  do lab.advance();while(performance.now()<end&&lab.epoch==epoch);
  if(lab.epoch>=goal)playing=false;
  if(!playing||performance.now()>drawn)draw();
  if(playing)lab.epoch==epoch?requestAnimationFrame(frame):setTimeout(()=>requestAnimationFrame(frame),30);else{note();draw()}
};
find('play').onclick=()=>{
  if(playing){playing=false;note();draw();return}
  if(lab.epoch>=goal)goal=lab.epoch+recipe.epochs;
  playing=true;draw();requestAnimationFrame(frame);
};
find('step').onclick=()=>{playing=false;lab.advance();note();draw()};
find('reset').onclick=reset;
find('restore').onclick=()=>{restore();reset()};
find('add').onclick=()=>{widths.push(widths.at(-1)??8);reset()};
find('remove').onclick=()=>{widths.pop();reset()};
find('pruned').oninput=()=>draw();
find('distil').onclick=()=>{
  if(!lab)return;
  teacher={shape:shape(),answers:learner.forward(lab.net,set.x,set.n).at(-1)};
  widths=widths.map(w=>w&&Math.max(1,Math.floor(w/2)));
  reset();
};
for(const name of['across','up'])find(name).onchange=draw;
for(const name of['rate','batch','l2','dropout','seed'])find(name).onchange=reset;
find('features').onchange=e=>{used[+e.target.value]=e.target.checked;reset()};
matchMedia('(prefers-color-scheme: dark)').addEventListener('change',draw);
find('form').addEventListener('submit',e=>e.preventDefault());
find('form').hidden=false;
restore();reset();
});
